package pivtest

import "bytes"

// objects are the card's data objects by tag: certificates, the card holder's
// identifier and the rest (SP 800-73-4 part 1, table 3). The card does not look
// into them.
type objects map[uint32][]byte

// Bounds of a YubiKey 5: of one object and of all together, in bytes.
const (
	maxObject  = 3052
	maxObjects = 51200
)

// Objects with a meaning for the card. Programs may write any other with a tag
// between the two, too.
const (
	firstObject            = 0x5f0000
	lastObject             = 0x5fffff
	attestationCertificate = 0x5fff01
	discovery              = 0x7e
)

// Tags of GET DATA and PUT DATA, and in objects that are certificates.
const (
	tagList        = 0x5c
	tagData        = 0x53
	tagCertificate = 0x70
)

// behindPIN are the objects that are read only after the PIN was shown: printed
// information, and the card holder's fingerprints, face and irises.
var behindPIN = map[uint32]bool{0x5fc109: true, 0x5fc103: true, 0x5fc108: true, 0x5fc121: true}

// size returns how much room all take.
func (o objects) size() int {
	n := 0
	for _, v := range o {
		n += len(v)
	}
	return n
}

// getData reads an object (SP 800-73-4 part 2, section 3.1.2).
func (c *Card) getData(cmd command) ([]byte, status) {
	if cmd.p1 != 0x3f || cmd.p2 != 0xff {
		return nil, statusParameters
	}
	f, ok := parseTLV(cmd.data)
	tag, ok2 := parseTag(f[tagList])
	if !ok || !ok2 || len(f) != 1 {
		return nil, statusData
	}
	if tag == discovery {
		// The application's name, and that of PINs only its own is used.
		b := appendTLV(nil, 0x4f, []byte(applicationPIV))
		return appendTLV(nil, discovery, appendTLV(b, 0x5f2f, []byte{0x40, 0x00})), statusOK
	}
	if behindPIN[tag] && !c.session.pinVerified {
		return nil, statusRefused
	}
	v, ok := c.objects[tag]
	if !ok {
		return nil, statusNotFound
	}
	return appendTLV(nil, tagData, v), statusOK
}

// putData writes an object, or deletes it when there is nothing to write
// (section 3.3.1).
func (c *Card) putData(cmd command) ([]byte, status) {
	switch {
	case cmd.p1 != 0x3f || cmd.p2 != 0xff:
		return nil, statusParameters
	case !c.session.managed:
		return nil, statusRefused
	}
	f, ok := parseTLV(cmd.data)
	tag, ok2 := parseTag(f[tagList])
	v, ok3 := f[tagData]
	if !ok || !ok2 || !ok3 || len(f) != 2 || tag < firstObject || tag > lastObject {
		return nil, statusData
	}
	switch {
	case len(v) == 0:
		delete(c.objects, tag)
	case len(v) > maxObject || c.objects.size()-len(c.objects[tag])+len(v) > maxObjects:
		return nil, statusFull
	default:
		c.objects[tag] = bytes.Clone(v)
	}
	return nil, statusOK
}

// parseTag reads a list of tags that holds one.
func parseTag(list []byte) (uint32, bool) {
	tag, rest, ok := cutTag(list)
	return tag, ok && len(rest) == 0
}
