//! The program itself on live traffic, in network namespaces of the tests' own.
//! Numbered packets are sent; each must be in the file once, in order, or be
//! counted as lost. Needs root, tshark and util-linux.

mod bench;
mod compress;
mod files;
mod keep;
mod limits;
mod privileges;
mod signals;
mod stream;
mod support;
