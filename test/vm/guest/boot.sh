# Sourced by init.sh, still in the initramfs (busybox ash): makes the guest's root at /new and goes there.
# CRISP_MODULES, CRISP_WRITABLE and CRISP_SYSTEMD stand above this line in the job's copy.
mount -t tmpfs -o size=75% memory /memory && mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /new
cd /new

at() { # mount … DIRECTORY, which is made; what this kernel does not have is left out
	for last; do :; done
	mkdir -p "$last" 2>/dev/null
	mount "$@" 2>/dev/null
}
at -t proc proc proc
at -t sysfs sys sys
at -t devtmpfs dev dev
at -t devpts -o gid=5,mode=620,ptmxmode=666 devpts dev/pts
at -t tmpfs -o mode=1777 shm dev/shm
at -t mqueue mqueue dev/mqueue
at -t hugetlbfs hugetlbfs dev/hugepages
at -t tmpfs -o mode=755 run run
at -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 sys/fs/cgroup
at -t bpf bpf sys/fs/bpf
at -t securityfs security sys/kernel/security
at -t tracefs tracing sys/kernel/tracing
at -t debugfs debug sys/kernel/debug
at /dev/vda scratch || at -t tmpfs scratch scratch
mkdir -p scratch/tmp scratch/containers scratch/containerd
chmod 1777 scratch/tmp
at --bind scratch/containers var/lib/containers # overlay does not nest on the overlay of the root
at --bind scratch/containerd var/lib/containerd
at --bind "/host$CRISP_MODULES" lib/modules
at --bind "/host$CRISP_JOB" run/job
for d in $CRISP_WRITABLE; do at --bind "/host$d" ".$d"; done
ln -sf /proc/self/fd dev/fd
for i in 0:stdin 1:stdout 2:stderr; do ln -sf "fd/${i%:*}" "dev/${i#*:}"; done
for p in sys/class/virtio-ports/*; do
	[ -e "$p" ] && read -r name <"$p/name" && ln -s "${p##*/}" "dev/$name"
done

cp /bin/busybox run/
printf '#!/run/busybox sh\nexec /run/busybox modprobe "$@"\n' >run/modprobe # which the kernel calls to load a module on demand
chmod +x run/modprobe
echo /run/modprobe >proc/sys/kernel/modprobe
ifconfig lo 127.0.0.1 up
echo guest >proc/sys/kernel/hostname
rm -f .dockerenv run/.containerenv # systemd would think that it is in a container
cp "/host$CRISP_JOB/job.sh" run/job.sh
mount --make-rshared /new
umount /sys

if [ -n "$CRISP_SYSTEMD" ]; then
	mkdir -p run/systemd/system
	for u in tmpfiles-setup sysusers binfmt update-utmp journal-flush timesyncd random-seed; do
		ln -s /dev/null "run/systemd/system/systemd-$u.service" # slow, and for nothing here
	done
	cat >run/systemd/system/job.service <<'U'
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
[Service]
Delegate=yes
ExecStart=/run/busybox sh /run/job.sh
U
	exec /bin/busybox switch_root /new /lib/systemd/systemd --unit=job.service
fi
for c in $(cat sys/fs/cgroup/cgroup.controllers); do echo "+$c" >sys/fs/cgroup/cgroup.subtree_control; done
mkdir sys/fs/cgroup/job # the root must have no processes for its children to have controllers
exec /bin/busybox switch_root /new /run/busybox sh /run/job.sh
