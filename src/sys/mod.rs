//! Floor 0: the operating system behind safe functions: fork, signals, limits, process title.
