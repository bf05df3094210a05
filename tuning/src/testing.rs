//! Trees that stand for machines, in tests.

use std::fs;

use tempfile::TempDir;

use crate::machine::Root;

/// A tree, removed with this.
pub(crate) struct Tree {
    folder: TempDir,
}

impl Tree {
    /// A kernel that tells nothing, and a process of root's.
    pub fn bare() -> Self {
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        tree.put("/proc/self/status", "Name:\thorae\nUid:\t0\t0\t0\t0\n");
        tree.put("/proc/sys/kernel/random/boot_id", "first\n");
        tree
    }

    /// A server of 16 cores as it comes from the shop: two threads a core, the governor of a desktop, interrupts anywhere.
    pub fn server() -> Self {
        let tree = Self::bare();
        tree.put("/sys/devices/system/cpu/online", "0-31\n");
        tree.put("/sys/devices/system/cpu/isolated", "\n");
        tree.put("/sys/devices/system/cpu/nohz_full", "(null)\n");
        tree.put("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
        for cpu in 0..32 {
            let core = cpu % 16;
            tree.put(
                &format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"),
                &format!("{core},{}\n", core + 16),
            );
            tree.put(&format!("/sys/devices/system/cpu/cpu{cpu}/online"), "1\n");
            tree.put(&format!("/sys/devices/system/cpu/cpufreq/policy{cpu}/affected_cpus"), &format!("{cpu}\n"));
            tree.put(&format!("/sys/devices/system/cpu/cpufreq/policy{cpu}/scaling_governor"), "schedutil\n");
        }
        tree.put("/sys/devices/system/node/node0/cpulist", "0-31\n");
        let clock = "/sys/devices/system/clocksource/clocksource0";
        tree.put(&format!("{clock}/current_clocksource"), "hpet\n");
        tree.put(&format!("{clock}/available_clocksource"), "tsc hpet acpi_pm \n");
        tree.put("/proc/irq/default_smp_affinity", "ffffffff\n");
        tree.put("/proc/irq/9/smp_affinity_list", "0-31\n");
        tree.put("/proc/irq/9/effective_affinity_list", "0\n");
        tree.put("/proc/irq/40/smp_affinity_list", "0-31\n");
        tree.put("/proc/irq/40/effective_affinity_list", "5\n");
        tree.put("/proc/irq/41/smp_affinity_list", "6\n");
        tree.put("/proc/812/comm", "irqbalance\n");
        tree.put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
        tree.put("/sys/kernel/mm/transparent_hugepage/defrag", "[always] defer defer+madvise madvise never\n");
        tree.put("/proc/sys/vm/nr_hugepages", "0\n");
        tree.put("/proc/sys/net/core/rmem_default", "212992\n");
        tree.put("/proc/sys/net/core/wmem_default", "212992\n");
        tree.put("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
        tree.put("/proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n");
        tree.put("/proc/sys/kernel/io_uring_disabled", "2\n");
        tree.put("/proc/self/limits", LIMITS);
        tree
    }

    /// The root of it.
    pub fn root(&self) -> Root {
        Root::at(self.folder.path())
    }

    /// Puts a file there, whatever was.
    pub fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Takes a file away.
    pub fn take(&self, path: &str) {
        fs::remove_file(self.root().join(path)).unwrap();
    }

    /// Whether something is there.
    pub fn has(&self, path: &str) -> bool {
        self.root().join(path).exists()
    }

    /// What a file says.
    pub fn text(&self, path: &str) -> String {
        self.root().read(path).unwrap()
    }
}

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max locked memory         65536                65536                bytes
Max open files            1024                 1048576              files
";
