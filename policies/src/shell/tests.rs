//! A corpus of lines with what must be found in them; what a shell keeps between lines; random lines, and what real shells do
//! with them.

mod corpus;
mod differential;
mod grammar;
mod keeping;
mod random;
