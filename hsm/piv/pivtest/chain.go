package pivtest

import (
	"bytes"
	"encoding/binary"
)

// The bit of the class byte that says that the command goes on (ISO/IEC 7816-4,
// section 5.3.3), and the instruction that fetches more of a response.
const (
	classChained           = 0x10
	instructionGetResponse = 0xc0
)

// chain is a command that arrives in parts.
type chain struct {
	open bool
	head [3]byte // instruction and parameters, the same in every part
	data []byte
}

// Transmit gives the card the bytes of one command APDU and returns those of its
// response. Any bytes will do: what is no command gets an error status.
func (c *Card) Transmit(raw []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd, st := parseCommand(raw)
	if st != statusOK {
		c.session.chain = chain{}
		return binary.BigEndian.AppendUint16(nil, uint16(st))
	}
	data, st := c.receive(cmd)
	return c.respond(cmd, data, st)
}

// receive gathers the parts of a chain and does the command when it is whole.
func (c *Card) receive(cmd command) ([]byte, status) {
	if cmd.class&^classChained != 0 {
		c.session.chain = chain{}
		return nil, statusNoClass
	}
	if cmd.instruction == instructionGetResponse && !c.session.chain.open {
		return c.rest(cmd)
	}
	c.session.pending = nil
	head := [3]byte{cmd.instruction, cmd.p1, cmd.p2}
	ch := &c.session.chain
	if ch.open && ch.head != head {
		*ch = chain{}
		return nil, statusChain
	}
	if len(ch.data)+len(cmd.data) > maxData {
		*ch = chain{}
		return nil, statusLength
	}
	if cmd.class == classChained {
		*ch = chain{open: true, head: head, data: append(ch.data, cmd.data...)}
		return nil, statusOK
	}
	if ch.open {
		cmd.data = append(ch.data, cmd.data...)
		*ch = chain{}
	}
	return c.do(cmd)
}

// rest takes up the response that is pending.
func (c *Card) rest(cmd command) ([]byte, status) {
	pending := c.session.pending
	c.session.pending = nil
	if cmd.class != 0 || cmd.p1 != 0 || cmd.p2 != 0 || len(cmd.data) != 0 {
		return nil, statusParameters
	}
	if len(pending) == 0 {
		return nil, statusConditions
	}
	return pending, statusOK
}

// respond makes a response of what the sender takes, and keeps the rest for it.
func (c *Card) respond(cmd command, data []byte, st status) []byte {
	if len(data) > cmd.expected {
		data, c.session.pending = data[:cmd.expected], data[cmd.expected:]
		st = statusMore
		if left := len(c.session.pending); left < shortResponse {
			st |= status(left)
		}
	}
	return binary.BigEndian.AppendUint16(bytes.Clone(data), uint16(st))
}
