//! The built-in restore actions, in the order in which they run (behaviour §5).
