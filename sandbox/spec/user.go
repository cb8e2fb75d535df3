// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// User is the identity that a container's process starts with.
type User struct {
	UID, GID uint32
	// Groups are the supplementary groups, the primary one first, as ContainerStatus.user reports them.
	Groups []uint32
}

const (
	// maxUserFile bounds /etc/passwd and /etc/group of an image (CVE-2025-4437: a huge file ate the daemon's memory).
	maxUserFile = 10 << 20
	// maxID is the largest user or group ID; beyond it a cast to int32 would wrap to root (CVE-2024-40635).
	maxID = 1<<31 - 1
)

// resolveUser finds the uid, gid and groups of the CRI's security context, falling back to the image's USER.
func resolveUser(sc *runtime.LinuxContainerSecurityContext, imageUser string, rootfs *os.File) (User, error) {
	if sc.GetRunAsGroup() != nil && sc.GetRunAsUser() == nil && sc.GetRunAsUsername() == "" {
		return User{}, invalid("run_as_group", "is set without run_as_user or run_as_username")
	}
	name, group := userNames(sc, imageUser)
	db, err := readUserDB(rootfs)
	if err != nil {
		return User{}, err
	}
	u, err := db.lookup(name, group)
	if err != nil {
		return User{}, err
	}
	return u.withSupplemental(sc)
}

// userNames picks the user and the primary group to look up. The CRI's user wins over the image's; the image's ":group" counts
// only when the user is the image's own (the kubelet repeats the image's user in run_as_user, so equal users keep the group).
func userNames(sc *runtime.LinuxContainerSecurityContext, imageUser string) (name, group string) {
	imgName, imgGroup, _ := strings.Cut(imageUser, ":")
	switch {
	case sc.GetRunAsUser() != nil:
		name = strconv.FormatInt(sc.GetRunAsUser().GetValue(), 10)
	case sc.GetRunAsUsername() != "":
		name = sc.GetRunAsUsername()
	default:
		name = imgName
	}
	if name == imgName {
		group = imgGroup
	}
	if g := sc.GetRunAsGroup(); g != nil {
		group = strconv.FormatInt(g.GetValue(), 10)
	}
	return name, group
}

// userDB is an image's /etc/passwd and /etc/group.
type userDB struct{ passwd, group []byte }

func readUserDB(rootfs *os.File) (userDB, error) {
	if rootfs == nil {
		return userDB{}, nil
	}
	passwd, err := readInRoot(rootfs, "etc/passwd")
	if err != nil {
		return userDB{}, err
	}
	group, err := readInRoot(rootfs, "etc/group")
	return userDB{passwd, group}, err
}

// readInRoot reads a regular file of at most maxUserFile bytes below root. A file that is missing reads as empty.
func readInRoot(root *os.File, path string) ([]byte, error) {
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(int(root.Fd()), path, &how)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open /%s of the image: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("stat /%s of the image: %w", path, err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("/%s of the image: %w: it is %s, not a regular file", path, ErrInvalid, st.Mode().Type())
	}
	if st.Size() > maxUserFile {
		return nil, fmt.Errorf("/%s of the image: %w: %d bytes, at most %d are read", path, ErrInvalid, st.Size(), maxUserFile)
	}
	return io.ReadAll(io.LimitReader(f, maxUserFile))
}

// lookup resolves a user (name, number or "") and a group (name, number or ""). A user that is a number need not be in
// /etc/passwd; one that is a name must be.
func (db userDB) lookup(name, group string) (User, error) {
	if name == "" {
		name = "0"
	}
	uid, numeric, err := parseID("user", name)
	if err != nil {
		return User{}, err
	}
	entries, err := user.ParsePasswdFilter(bytes.NewReader(db.passwd), func(u user.User) bool {
		if numeric { // a login name made of digits must not stand in for another user's number
			return u.Uid == int(uid)
		}
		return u.Name == name
	})
	if err != nil {
		return User{}, fmt.Errorf("/etc/passwd of the image: %w", err)
	}
	if len(entries) == 0 && !numeric {
		return User{}, invalid("user "+strconv.Quote(name), "is not in the image's /etc/passwd")
	}
	out := User{UID: uid}
	login := ""
	if len(entries) > 0 {
		e := entries[0]
		login = e.Name
		if !inRange(e.Uid) || !inRange(e.Gid) {
			return User{}, invalid("user "+strconv.Quote(name), fmt.Sprintf("has the IDs %d:%d in /etc/passwd: out of range", e.Uid, e.Gid))
		}
		out.UID, out.GID = uint32(e.Uid), uint32(e.Gid)
	}
	if err := db.lookupGroups(&out, login, group); err != nil {
		return User{}, err
	}
	return out, nil
}

// lookupGroups sets the primary group when one is named, and the groups of /etc/group that list the login name.
func (db userDB) lookupGroups(u *User, login, group string) error {
	gid, numeric := uint32(0), false
	if group != "" {
		var err error
		if gid, numeric, err = parseID("group", group); err != nil {
			return err
		}
	}
	var extra []uint32
	found := false
	_, err := user.ParseGroupFilter(bytes.NewReader(db.group), func(g user.Group) bool {
		if !inRange(g.Gid) {
			return false
		}
		if group != "" && !numeric && !found && g.Name == group {
			gid, found = uint32(g.Gid), true
		}
		if login != "" && slices.Contains(g.List, login) {
			extra = append(extra, uint32(g.Gid))
		}
		return false
	})
	if err != nil {
		return fmt.Errorf("/etc/group of the image: %w", err)
	}
	if group != "" {
		if !numeric && !found {
			return invalid("group "+strconv.Quote(group), "is not in the image's /etc/group")
		}
		u.GID = gid
	}
	u.Groups = extra
	return nil
}

// withSupplemental applies the CRI's supplementary groups by its policy and puts the primary group first.
func (u User) withSupplemental(sc *runtime.LinuxContainerSecurityContext) (User, error) {
	groups := []uint32{u.GID}
	switch sc.GetSupplementalGroupsPolicy() {
	case runtime.SupplementalGroupsPolicy_Merge:
		groups = append(groups, u.Groups...)
	case runtime.SupplementalGroupsPolicy_Strict:
	default:
		return User{}, invalid("supplemental_groups_policy", fmt.Sprintf("%d is unknown", sc.GetSupplementalGroupsPolicy()))
	}
	for _, g := range sc.GetSupplementalGroups() {
		if g < 0 || g > maxID {
			return User{}, invalid("supplemental_groups", fmt.Sprintf("%d is out of range", g))
		}
		groups = append(groups, uint32(g))
	}
	u.Groups = nil
	for _, g := range groups {
		if !slices.Contains(u.Groups, g) {
			u.Groups = append(u.Groups, g)
		}
	}
	return u, nil
}

// parseID reads a decimal ID. A text that is not all digits is a name; one that is digits but out of range is an error, never
// a name and never a wrapped number (CVE-2024-40635, CVE-2026-30892).
func parseID(what, s string) (id uint32, numeric bool, err error) {
	if strings.ContainsAny(s, ":\n\r\x00") {
		return 0, false, invalid(what, strconv.Quote(s)+" has a character that no name may have")
	}
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxID {
		return 0, false, invalid(what, s+" is out of range")
	}
	return uint32(n), true, nil
}

func inRange(id int) bool { return id >= 0 && id <= maxID }
