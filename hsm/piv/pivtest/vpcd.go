package pivtest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// Messages of one byte that are no command: what the reader does to the card, in
// vpcd's numbering.
const (
	vpcdPowerOff = 0
	vpcdPowerOn  = 1
	vpcdReset    = 2
	vpcdATR      = 4
)

// atr is how a YubiKey 5 answers to its reset in a USB port: it speaks T=1, and
// its historical bytes say "YubiKey".
var atr = []byte("\x3b\xfd\x13\x00\x00\x81\x31\xfe\x15\x80\x73\xc0\x21\xc0\x57YubiKey\x40")

// serve speaks for the card to vpcd, the reader's driver, until the connection
// ends. Messages both ways are a length of two bytes, big endian, and so many
// bytes.
func (c *Card) serve(conn *net.TCPConn) error {
	defer conn.Close()
	for {
		message, err := readMessage(conn)
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
			return nil
		}
		if err != nil {
			return err
		}
		answer := c.react(message)
		if answer == nil {
			continue
		}
		answer = append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
		if _, err := conn.Write(answer); err != nil {
			return nil // the reader or the card is gone
		}
	}
}

// react is what the card does with a message; nil when it has no answer.
func (c *Card) react(message []byte) []byte {
	if len(message) != 1 {
		return c.Transmit(message)
	}
	switch message[0] {
	case vpcdATR:
		return atr
	case vpcdPowerOff, vpcdPowerOn, vpcdReset:
		c.powerCycle()
	}
	return nil
}

func readMessage(conn *net.TCPConn) ([]byte, error) {
	if err := acknowledgeAtOnce(conn); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, message)
	return message, err
}

// acknowledgeAtOnce keeps the kernel from waiting 40 ms for more before it
// acknowledges what vpcd sent, for which vpcd's next part waits. The kernel
// forgets it, so it is said before each message.
func acknowledgeAtOnce(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
	return errors.Join(err, inner)
}
