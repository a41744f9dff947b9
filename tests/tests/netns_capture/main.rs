//! Live capture in network namespaces of the tests' own: numbered frames are
//! sent, and each must be captured once or be counted as lost. Needs root.

mod any;
mod basic;
mod changes;
mod filters;
mod groups;
mod offload;
mod places;
mod privileges;
mod rings;
mod support;
mod vlan;
