// SPDX-License-Identifier: Apache-2.0

package disk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The network block device protocol, as far as QEMU speaks it with one client:
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
const (
	magicServer  = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption  = 0x49484156454f5054 // "IHAVEOPT"
	magicReply   = 0x0003e889045565a9
	magicRequest = 0x25609513
	magicSimple  = 0x67446698

	flagFixedNewstyle = 1
	flagNoZeroes      = 2

	optExportName = 1
	optAbort      = 2
	optInfo       = 6
	optGo         = 7

	repAck      = 1
	repInfo     = 3
	repErrUnsup = 1<<31 | 1
	infoExport  = 0

	flagHasFlags  = 1 << 0
	flagSendFlush = 1 << 2
	flagSendFUA   = 1 << 3
	exportFlags   = flagHasFlags | flagSendFlush | flagSendFUA

	cmdRead  = 0
	cmdWrite = 1
	cmdDisc  = 2
	cmdFlush = 3
	cmdFUA   = 1 // a flag of a command

	errIO    = 5
	errInval = 22

	maxRequest = 32 << 20
)

// Serve serves the disk to one client after the other, until the listener is closed.
func (d *Disk) Serve(l net.Listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		err = d.client(c)
		c.Close()
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
}

func (d *Disk) client(c net.Conn) error {
	w := bufio.NewWriter(c)
	r := bufio.NewReader(c)
	if ok, err := d.negotiate(r, w); err != nil || !ok {
		return err
	}
	for {
		more, err := d.request(r, w)
		if err != nil || !more {
			return err
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

func send(w io.Writer, values ...any) error {
	for _, v := range values {
		if err := binary.Write(w, binary.BigEndian, v); err != nil {
			return err
		}
	}
	return nil
}

// negotiate answers options until the client wants to go on (true) or has enough (false).
func (d *Disk) negotiate(r *bufio.Reader, w *bufio.Writer) (bool, error) {
	if err := send(w, uint64(magicServer), uint64(magicOption), uint16(flagFixedNewstyle|flagNoZeroes)); err != nil {
		return false, err
	}
	if err := w.Flush(); err != nil {
		return false, err
	}
	var flags uint32
	if err := binary.Read(r, binary.BigEndian, &flags); err != nil {
		return false, err
	}
	for {
		var option struct {
			Magic        uint64
			Kind, Length uint32
		}
		if err := binary.Read(r, binary.BigEndian, &option); err != nil {
			return false, err
		}
		if option.Magic != magicOption || option.Length > 4096 {
			return false, fmt.Errorf("nbd: option %+v", option)
		}
		if _, err := r.Discard(int(option.Length)); err != nil {
			return false, err
		}
		over, on, err := d.option(w, option.Kind, flags)
		if err == nil {
			err = w.Flush()
		}
		if err != nil || over {
			return on, err
		}
	}
}

// option answers one option. over: there are no more of them; on: requests follow.
func (d *Disk) option(w io.Writer, kind, flags uint32) (over, on bool, err error) {
	reply := func(kindOfReply uint32, data ...any) error {
		length := uint32(0)
		for _, v := range data {
			length += uint32(binary.Size(v))
		}
		return send(w, append([]any{uint64(magicReply), kind, kindOfReply, length}, data...)...)
	}
	switch kind {
	case optExportName:
		err := send(w, uint64(d.size), uint16(exportFlags))
		if err == nil && flags&flagNoZeroes == 0 {
			_, err = w.Write(make([]byte, 124))
		}
		return true, true, err
	case optAbort:
		return true, false, reply(repAck)
	case optInfo, optGo:
		err := errors.Join(reply(repInfo, uint16(infoExport), uint64(d.size), uint16(exportFlags)), reply(repAck))
		return kind == optGo, kind == optGo, err
	}
	return false, false, reply(repErrUnsup)
}

// request serves one; false at the last.
func (d *Disk) request(r io.Reader, w io.Writer) (bool, error) {
	var q struct {
		Magic       uint32
		Flags, Kind uint16
		Cookie, At  uint64
		Length      uint32
	}
	if err := binary.Read(r, binary.BigEndian, &q); err != nil {
		return false, err
	}
	if q.Magic != magicRequest || q.Length > maxRequest {
		return false, fmt.Errorf("nbd: request %+v", q)
	}
	code := uint32(0)
	var data []byte
	switch q.Kind {
	case cmdDisc:
		return false, nil
	case cmdRead:
		data = make([]byte, q.Length)
		if d.ReadAt(data, int64(q.At)) != nil {
			code = errIO
		}
	case cmdWrite:
		payload := make([]byte, q.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return false, err
		}
		if d.WriteAt(payload, int64(q.At), q.Flags&cmdFUA != 0) != nil {
			code = errIO
		}
	case cmdFlush:
		if d.Flush() != nil {
			code = errIO
		}
	default:
		code = errInval
	}
	if err := send(w, uint32(magicSimple), code, q.Cookie); err != nil {
		return false, err
	}
	if code == 0 {
		_, err := w.Write(data)
		return true, err
	}
	return true, nil
}
