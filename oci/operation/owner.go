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
		if name, ok := passwdName(f, st.Uid); ok {
			return name
		}
	}
	return "#" + strconv.Itoa(int(st.Uid))
}

// passwdLine bounds a line of /etc/passwd.
const passwdLine = 64 << 10

// passwdName is the name in the first line "name:password:UID:GID:GECOS:directory:shell" of a user.
func passwdName(r io.Reader, uid uint32) (string, bool) {
	want := strconv.FormatUint(uint64(uid), 10)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, passwdLine)
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) >= 6 && f[2] == want {
			return f[0], true
		}
	}
	return "", false
}
