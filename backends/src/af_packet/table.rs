//! The table of interfaces that batches refer to: one entry for the interface
//! captured on, or, for all of a namespace, one more for each that frames are
//! seen on.

use super::Options;
use super::open::Tap;
use crate::devices::Device;
use crate::host;
use crate::sys::ifreq;
use pktrail_core::Interface;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

pub(super) struct Table {
    interfaces: Arc<Vec<Interface>>,
    /// Kernel index and entry, of the interfaces seen on an `any` capture.
    seen: Vec<(u32, u32)>,
    /// The last answer: most frames are from the interface of the one before.
    last: (u32, u32),
    devices: Vec<Device>,
    all: bool,
}

impl Table {
    pub(super) fn new(options: &Options, tap: &Tap, devices: Vec<Device>) -> Self {
        let all = tap.index == 0;
        let mut first = Interface {
            name: options.interface.clone(),
            netns: options.netns.clone(),
            link_type: tap.capture.link_type,
            snaplen: options.snaplen(),
            index: (!all).then_some(tap.index),
            os: host::operating_system(),
            ..Interface::default()
        };
        if all {
            first.description = Some("all interfaces".into());
        } else {
            describe(&mut first, &devices);
        }
        Self {
            interfaces: Arc::new(vec![first]),
            seen: Vec::new(),
            last: (tap.index, 0),
            devices,
            all,
        }
    }

    /// The table as batches share it.
    pub(super) fn interfaces(&self) -> Arc<Vec<Interface>> {
        Arc::clone(&self.interfaces)
    }

    pub(super) fn as_slice(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The filter text of all entries, now and later.
    pub(super) fn set_filter(&mut self, text: Option<String>) {
        for interface in Arc::make_mut(&mut self.interfaces) {
            interface.filter.clone_from(&text);
        }
    }

    /// The interface captured on has another index from now on.
    pub(super) fn set_index(&mut self, index: u32) {
        self.last = (index, 0);
    }

    /// The entry for the interface with the kernel's `index`.
    #[inline]
    pub(super) fn number_of(&mut self, index: u32, socket: BorrowedFd<'_>) -> u32 {
        if !self.all {
            return 0;
        }
        if self.last.0 == index {
            return self.last.1;
        }
        self.last = (index, self.find_or_add(index, socket));
        self.last.1
    }

    fn find_or_add(&mut self, index: u32, socket: BorrowedFd<'_>) -> u32 {
        if let Some((_, entry)) = self.seen.iter().find(|(known, _)| *known == index) {
            return *entry;
        }
        let entry = u32::try_from(self.interfaces.len()).unwrap_or(0);
        // One that is gone by now keeps its number as its name.
        let name = ifreq::name(socket, index).unwrap_or_else(|_| format!("if{index}"));
        let all = &self.interfaces[0];
        let mut interface = Interface {
            name,
            description: None,
            index: Some(index),
            ..all.clone()
        };
        describe(&mut interface, &self.devices);
        Arc::make_mut(&mut self.interfaces).push(interface);
        self.seen.push((index, entry));
        entry
    }
}

/// Adds what the list of devices knows.
fn describe(interface: &mut Interface, devices: &[Device]) {
    if let Some(device) = devices.iter().find(|device| device.name == interface.name) {
        interface.mac = device.mac;
        interface.addresses.clone_from(&device.addresses);
        interface.speed_bps = device.speed_bps;
        interface.hardware.clone_from(&device.driver);
    }
}
