//! What is known of this machine, for the headers of files.

use std::fs;

/// The operating system and its release, as `Linux 6.1.0`.
pub fn operating_system() -> Option<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
    let (name, release) = (read("ostype")?, read("osrelease")?);
    Some(format!("{} {}", name.trim(), release.trim()))
}

/// The processor's model.
pub fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':')
        .map(|(_, model)| model.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_has_a_name_and_a_release() {
        assert!(super::operating_system().unwrap().starts_with("Linux "));
    }
}
