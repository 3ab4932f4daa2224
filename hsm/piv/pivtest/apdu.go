package pivtest

import "encoding/binary"

// command is a command APDU (ISO/IEC 7816-4, section 5.2).
type command struct {
	class, instruction, p1, p2 byte
	data                       []byte
	// expected is how many bytes of response data the sender takes at once, at
	// least 1. Senders that name no number get a short response: real keys
	// answer them, and most libraries count on it.
	expected int
}

// maxData bounds the data of a command, chained or not. The largest that a real
// key takes is an object of 3,052 bytes with its name.
const maxData = 3100

// shortResponse is what fits in a response to a command of the short form.
const shortResponse = 256

// parseCommand reads the bytes of one command, all of them.
func parseCommand(raw []byte) (command, status) {
	if len(raw) < 4 {
		return command{}, statusLength
	}
	c := command{class: raw[0], instruction: raw[1], p1: raw[2], p2: raw[3], expected: shortResponse}
	body := raw[4:]
	var ok bool
	if len(body) > 1 && body[0] == 0 {
		ok = c.parseExtended(body[1:])
	} else {
		ok = c.parseShort(body)
	}
	if !ok || len(c.data) > maxData {
		return command{}, statusLength
	}
	return c, statusOK
}

// parseShort reads lengths of one byte.
func (c *command) parseShort(body []byte) bool {
	if len(body) == 0 {
		return true
	}
	if len(body) == 1 {
		c.expect(int(body[0]), shortResponse)
		return true
	}
	n := int(body[0])
	body = body[1:]
	switch len(body) {
	case n:
	case n + 1:
		c.expect(int(body[n]), shortResponse)
	default:
		return false
	}
	c.data = body[:n]
	return true
}

// parseExtended reads lengths of two bytes, after the zero that announces them.
func (c *command) parseExtended(body []byte) bool {
	if len(body) < 2 {
		return false
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	if len(body) == 0 {
		c.expect(n, 1<<16)
		return true
	}
	switch {
	case n == 0:
		return false
	case len(body) == n:
	case len(body) == n+2:
		c.expect(int(binary.BigEndian.Uint16(body[n:])), 1<<16)
	default:
		return false
	}
	c.data = body[:n]
	return true
}

// expect takes a length field, in which zero stands for all.
func (c *command) expect(n, all int) {
	if n == 0 {
		n = all
	}
	c.expected = n
}
