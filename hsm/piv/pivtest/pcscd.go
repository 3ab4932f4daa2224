package pivtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// The two commands of the PC/SC daemon's own protocol (winscard_msg.h of
// pcsc-lite) that it takes to learn which readers hold a card.
const (
	pcscVersion = 0x11
	pcscReaders = 0x12
)

// The version of the protocol that is spoken here, and what the daemon's answer
// has room for.
const (
	pcscMajor   = 4
	pcscMinor   = 4
	pcscSlots   = 16
	pcscPresent = 0x04 // the bit of a reader's state
)

// readerState is a row of that answer, in the machine's byte order.
type readerState struct {
	Name     [128]byte
	Events   uint32
	State    uint32
	Sharing  int32
	ATR      [33]byte
	_        [3]byte // alignment
	ATRSize  uint32
	Protocol uint32
}

// readerStates asks the daemon behind that socket for the names of its readers,
// and which hold a card.
func readerStates(path string) (map[string]bool, error) {
	conn, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	version := [3]int32{pcscMajor, pcscMinor, 0}
	if err := pcscCall(conn, pcscVersion, &version); err != nil {
		return nil, err
	}
	if version[2] != 0 {
		return nil, fmt.Errorf("pcscd: protocol %d.%d refused, code %#x", pcscMajor, pcscMinor, uint32(version[2]))
	}
	if _, err := conn.Write(pcscHeader(0, pcscReaders)); err != nil {
		return nil, err
	}
	var rows [pcscSlots]readerState
	if err := binary.Read(conn, binary.NativeEndian, &rows); err != nil {
		return nil, err
	}
	states := map[string]bool{}
	for _, r := range rows {
		if name, _, ok := bytes.Cut(r.Name[:], []byte{0}); ok && len(name) > 0 {
			states[string(name)] = r.State&pcscPresent != 0
		}
	}
	return states, nil
}

// pcscCall sends a command whose body comes back changed.
func pcscCall(conn io.ReadWriter, command uint32, body *[3]int32) error {
	message := pcscHeader(uint32(binary.Size(body)), command)
	message, err := binary.Append(message, binary.NativeEndian, body)
	if err != nil {
		return err
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	return binary.Read(conn, binary.NativeEndian, body)
}

func pcscHeader(size, command uint32) []byte {
	return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, size), command)
}
