#!/bin/busybox sh
# The first process of the guest, from the initramfs. CRISP_JOB (of the kernel's command line) is the job's directory on the host.
# MODULES stands above this line in the initramfs' copy.
/bin/busybox mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in $MODULES; do modprobe -q "$m"; done
mount -t virtiofs host /host && . "/host$CRISP_JOB/boot.sh"
echo "the guest's root could not be mounted"
poweroff -f
