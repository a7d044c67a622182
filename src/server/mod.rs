//! Floor 6: the reactor, connections, timers, children and the wiring of everything.
