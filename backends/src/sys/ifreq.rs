//! Questions about an interface by `ioctl`, asked through any socket: the
//! answer is that of the socket's network namespace.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// An `ifreq` for the interface `name`.
fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeroes is a valid ifreq: bytes, numbers and null pointers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    Ok(request)
}

fn ask(socket: BorrowedFd<'_>, call: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the calls made here all take an ifreq, which `request` is, valid
    // for the call; pointers inside it are set up by the callers here.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), call as _, std::ptr::from_mut(request)) })?;
    Ok(())
}

/// The index of the interface `name`.
pub(crate) fn index(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut request = request(name)?;
    ask(socket, libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: SIOCGIFINDEX has filled in this member.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned())
}

/// The name of the interface with `index`.
pub(crate) fn name(socket: BorrowedFd<'_>, index: u32) -> io::Result<String> {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = index.cast_signed();
    ask(socket, libc::SIOCGIFNAME, &mut request)?;
    let bytes: Vec<u8> = (request.ifr_name.iter())
        .map(|byte| byte.cast_unsigned())
        .take_while(|byte| *byte != 0)
        .collect();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The interface's `IFF_*` flags.
pub(crate) fn flags(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut request = request(name)?;
    ask(socket, libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS has filled in this member.
    Ok(u32::from(
        unsafe { request.ifr_ifru.ifru_flags }.cast_unsigned(),
    ))
}

/// The interface's hardware type: `ARPHRD_*`, `linux/if_arp.h`.
pub(crate) fn hardware_type(socket: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    let mut request = request(name)?;
    ask(socket, libc::SIOCGIFHWADDR, &mut request)?;
    // SAFETY: SIOCGIFHWADDR has filled in this member.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr }.sa_family)
}

/// Runs a call whose argument is a structure of its own behind `ifr_data`
/// (ethtool, hardware timestamps). `argument` must be of the type that `call`
/// reads and writes; the private callers below see to that.
fn with_data<T>(
    socket: BorrowedFd<'_>,
    name: &str,
    call: libc::c_ulong,
    argument: &mut T,
) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = std::ptr::from_mut(argument).cast();
    ask(socket, call, &mut request)
}

/// Asks the device to stamp every frame it receives (`SIOCSHWTSTAMP`, needs
/// CAP_NET_ADMIN).
pub(crate) fn stamp_in_hardware(socket: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    const HWTSTAMP_FILTER_ALL: libc::c_int = 1;
    let mut config = libc::hwtstamp_config {
        flags: 0,
        tx_type: 0,
        rx_filter: HWTSTAMP_FILTER_ALL,
    };
    with_data(socket, name, libc::SIOCSHWTSTAMP, &mut config)
}

/// `struct ethtool_ts_info`, `linux/ethtool.h`.
#[repr(C)]
#[derive(Default)]
struct TimestampInfo {
    cmd: u32,
    so_timestamping: u32,
    phc_index: i32,
    tx_types: u32,
    tx_reserved: [u32; 3],
    rx_filters: u32,
    rx_reserved: [u32; 3],
}

/// The `SOF_TIMESTAMPING_*` abilities of the interface.
pub(crate) fn timestamping(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let mut info = TimestampInfo {
        cmd: 0x41, // ETHTOOL_GET_TS_INFO
        ..TimestampInfo::default()
    };
    with_data(socket, name, libc::SIOCETHTOOL, &mut info)?;
    Ok(info.so_timestamping)
}

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    cmd: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    rom: [u8; 32],
    reserved: [u8; 12],
    counts: [u32; 5],
}

/// The name of the interface's driver.
pub(crate) fn driver(socket: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let mut info = DriverInfo {
        cmd: 3, // ETHTOOL_GDRVINFO
        driver: [0; 32],
        version: [0; 32],
        firmware: [0; 32],
        bus: [0; 32],
        rom: [0; 32],
        reserved: [0; 12],
        counts: [0; 5],
    };
    with_data(socket, name, libc::SIOCETHTOOL, &mut info)?;
    let text = info
        .driver
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// `struct ethtool_cmd`: the old form, which drivers still answer through a
/// conversion in the kernel.
#[repr(C)]
#[derive(Default)]
struct LinkSettings {
    cmd: u32,
    supported: u32,
    advertising: u32,
    speed: u16,
    bytes: [u8; 14],
    speed_hi: u16,
    more: [u8; 2],
    lp_advertising: u32,
    reserved: [u32; 2],
    slack: [u32; 4],
}

/// The link speed in bits per second, where the driver knows one.
pub(crate) fn speed_bps(socket: BorrowedFd<'_>, name: &str) -> Option<u64> {
    let mut settings = LinkSettings {
        cmd: 1, // ETHTOOL_GSET
        ..LinkSettings::default()
    };
    with_data(socket, name, libc::SIOCETHTOOL, &mut settings).ok()?;
    let mbps = u32::from(settings.speed) | u32::from(settings.speed_hi) << 16;
    // All ones, in 16 or 32 bits, is "unknown" (SPEED_UNKNOWN).
    (mbps != 0 && mbps != u32::MAX && mbps != 0xffff).then_some(u64::from(mbps) * 1_000_000)
}
