package pivtest

import (
	"bytes"
	"encoding/binary"
)

// application is one of the card's applications, by its identifier. The zero
// value is none: so a card starts, and knows no instruction but SELECT.
type application string

// The applications here. Of Yubico's own two there is only what PIV programs ask
// them: the serial number, and on older keys the way to it.
const (
	applicationPIV        application = "\xa0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00"
	applicationManagement application = "\xa0\x00\x00\x05\x27\x47\x11\x17"
	applicationOTP        application = "\xa0\x00\x00\x05\x27\x20\x01\x01"
)

// shortestName is how many bytes of an identifier a program must give.
const shortestName = 5

// instruction is a row of the table of commands.
type instruction struct {
	since Version // the firmware that brought it
	do    func(*Card, command) ([]byte, status)
}

// instructions are the commands of each application.
var instructions = map[application]map[byte]instruction{
	applicationPIV: {
		0x20: {Version{}, (*Card).verify},
		0x24: {Version{}, (*Card).changeReference},
		0x2c: {Version{}, (*Card).resetRetry},
		0x47: {Version{}, (*Card).generate},
		0x87: {Version{}, (*Card).authenticate},
		0xcb: {Version{}, (*Card).getData},
		0xdb: {Version{}, (*Card).putData},
		0xf6: {firmwareCurves, (*Card).moveKey},
		0xf7: {firmwareMetadata, (*Card).metadata},
		0xf8: {firmwareSerial, (*Card).getSerial},
		0xf9: {firmwareAttest, (*Card).attest},
		0xfa: {Version{}, (*Card).setRetries},
		0xfb: {Version{}, (*Card).reset},
		0xfd: {Version{}, (*Card).getVersion},
		0xfe: {Version{}, (*Card).importKey},
		0xff: {Version{}, (*Card).setManagementKey},
	},
	applicationManagement: {0x1d: {Version{}, (*Card).readConfig}},
	applicationOTP:        {0x01: {Version{}, (*Card).slotRequest}},
}

// do carries out one whole command.
func (c *Card) do(cmd command) ([]byte, status) {
	if cmd.instruction == 0xa4 {
		return c.selectApplication(cmd)
	}
	row, ok := instructions[c.session.application][cmd.instruction]
	if !ok || !c.firmware.atLeast(row.since) {
		return nil, statusNoInstruction
	}
	return row.do(c, cmd)
}

// selectApplication makes another application the current one, and the card
// forgets who stood before it. To select the current one again changes nothing
// (SP 800-73-4 part 2, section 3.1.1): whoever must show the PIN anew has to
// reset the card. An unknown name leaves the current one where it is.
func (c *Card) selectApplication(cmd command) ([]byte, status) {
	if cmd.p1 != 0x04 || cmd.p2 != 0 {
		return nil, statusParameters
	}
	if len(cmd.data) < shortestName {
		return nil, statusNotFound
	}
	for name := range instructions {
		if !bytes.HasPrefix([]byte(name), cmd.data) || name == applicationPIV && c.withoutPIV {
			continue
		}
		if c.session.application != name {
			c.session = session{application: name}
		}
		return c.properties(name), statusOK
	}
	return nil, statusNotFound
}

// properties is what an application says of itself when it is selected.
func (c *Card) properties(name application) []byte {
	switch name {
	case applicationPIV:
		authority := appendTLV(nil, 0x4f, []byte(name[:shortestName]))
		inner := appendTLV(nil, 0x4f, []byte(name[shortestName:]))
		return appendTLV(nil, 0x61, appendTLV(inner, 0x79, authority))
	case applicationOTP:
		return append(c.firmware.bytes(), 0, 0, 0)
	default:
		return c.firmware.bytes()
	}
}

// getVersion answers with the firmware version, one byte each.
func (c *Card) getVersion(command) ([]byte, status) {
	return c.firmware.bytes(), statusOK
}

// getSerial answers with the serial number, big endian.
func (c *Card) getSerial(command) ([]byte, status) {
	return binary.BigEndian.AppendUint32(nil, c.serial), statusOK
}

// slotRequest is the OTP application's one command for everything; here it tells
// the serial number.
func (c *Card) slotRequest(cmd command) ([]byte, status) {
	if cmd.p1 != 0x10 {
		return nil, statusParameters
	}
	return c.getSerial(cmd)
}

// readConfig describes the device: serial number (2), form factor (4) and
// firmware (5), after a byte that counts theirs.
func (c *Card) readConfig(command) ([]byte, status) {
	info := appendTLV(nil, 0x02, binary.BigEndian.AppendUint32(nil, c.serial))
	info = appendTLV(info, 0x04, []byte{c.formFactor})
	info = appendTLV(info, 0x05, c.firmware.bytes())
	return append([]byte{byte(len(info))}, info...), statusOK
}
