//! Floor 3: one table of directives that file, argv and CONFIG all read.
