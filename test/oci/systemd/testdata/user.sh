# $0 is crisp-oci. Makes the user ann with a systemd of her own, and runs a container as her: below that systemd, and beside it.
grep -q '^ann:' /etc/passwd || echo ann:x:1000:1000:ann:/tmp:/bin/sh >>/etc/passwd
grep -q '^ann:' /etc/group || echo ann:x:1000: >>/etc/group
mkdir -p /run/systemd/user /run/user/1000
chown 1000:1000 /run/user/1000
printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/user/nothing.target
cat >/run/systemd/system/user@1000.service <<U
[Service]
User=1000
Type=notify
Slice=user-1000.slice
Delegate=yes
Environment=XDG_RUNTIME_DIR=/run/user/1000
ExecStart=/lib/systemd/systemd --user --unit=nothing.target
U
systemctl daemon-reload
systemctl start user@1000.service
dir=$(mktemp -d /tmp/userXXXXXX)
cp "$0" "$dir/crisp-oci"
mkdir -p "$dir/b/rootfs"
cat >"$dir/inside.sh" <<'X'
oci() { "$DIR/crisp-oci" --root "$XDG_RUNTIME_DIR/crisp" "$@"; }
bind() { printf '{"destination":"%s","type":"bind","source":"%s","options":["rbind","ro"]},' "$1" "$1"; }
cd "$DIR/b"
oci spec --rootless
sed -i "s/\"terminal\": true/\"terminal\": false/; s#\"sh\"#\"/bin/sleep\", \"1000\"#; s#\"mounts\": \[#&$(bind /bin)$(bind /lib)$(bind /lib64)#" config.json
code=0; oci --systemd-cgroup run -d x </dev/null >/dev/null || code=$?
echo "run $code"
systemctl --user show --value -p ControlGroup crisp-x.scope
oci update --pids-limit 20 x
systemctl --user show -p TasksMax crisp-x.scope
echo "pids.max $(cat "/sys/fs/cgroup$(systemctl --user show --value -p ControlGroup crisp-x.scope)/pids.max")"
code=0; oci exec x /bin/sh -c 'exit 7' || code=$?
echo "exec $code"
oci pause x; oci state x | grep -o paused; oci resume x
code=0; oci delete --force x || code=$?
echo "delete $code"
systemctl --user show -p LoadState crisp-x.scope
X
cat >"$dir/outside.sh" <<'X'
cd "$DIR/b"
code=0; "$DIR/crisp-oci" --root "$XDG_RUNTIME_DIR/crisp" --systemd-cgroup run -d y </dev/null || code=$?
echo "outside $code"
X
chown -R 1000:1000 "$dir"
chmod -R a+rX "$dir"
ann() { setpriv --reuid 1000 --regid 1000 --clear-groups env DIR="$dir" TMPDIR=/tmp XDG_RUNTIME_DIR=/run/user/1000 "$@"; }
ann systemd-run --user --scope --quiet sh -u "$dir/inside.sh"
ann sh -u "$dir/outside.sh"
systemctl stop user@1000.service
rm -rf "$dir"
