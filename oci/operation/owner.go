// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// owner names the user that owns a file: "root", or "#1000" for one that /etc/passwd does not know.
func owner(path string) string {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return ""
	}
	f, err := os.Open("/etc/passwd")
	if err == nil {
		defer f.Close()
		if u, ok := passwdUser(f, st.Uid); ok {
			return u.name
		}
	}
	return "#" + strconv.Itoa(int(st.Uid))
}

// A passwdEntry is what is of use here of a line of passwd(5).
type passwdEntry struct{ name, home string }

// passwdLine bounds a line of /etc/passwd, which in a container is anybody's.
const passwdLine = 64 << 10

// passwdUser finds the first line "name:password:UID:GID:GECOS:directory:shell" of a user.
func passwdUser(r io.Reader, uid uint32) (passwdEntry, bool) {
	want := strconv.FormatUint(uint64(uid), 10)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, passwdLine)
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) >= 6 && f[2] == want {
			return passwdEntry{name: f[0], home: f[5]}, true
		}
	}
	return passwdEntry{}, false
}
