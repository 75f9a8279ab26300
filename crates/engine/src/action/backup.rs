//! The built-in backup actions, in the order in which they run (behaviour §5).
