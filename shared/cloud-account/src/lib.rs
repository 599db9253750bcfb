//! What the account of a stack is asked by the command line alone, and by no function.
