# Runs the job's command in the guest's root, and ends the machine. The environment, cd and job() stand above this line in the job's copy.
>/run/job/started
code=0
(
	[ ! -d /sys/fs/cgroup/job ] || echo 0 >/sys/fs/cgroup/job/cgroup.procs
	job
) </dev/null >/dev/crisp.out 2>/dev/crisp.err || code=$?
echo $code >/run/job/code
sync
/run/busybox poweroff -f
