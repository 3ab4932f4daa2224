package pivtest

import "bytes"

// Tags of GET METADATA.
const (
	tagAlgorithm = 0x01
	tagPolicy    = 0x02
	tagOrigin    = 0x03
	tagPublic    = 0x04
	tagDefault   = 0x05
	tagRetries   = 0x06
)

// noAlgorithm stands for that of a PIN.
const noAlgorithm = 0xff

// metadata tells what is known of a key, the PIN or the PUK, but no secret.
func (c *Card) metadata(cmd command) ([]byte, status) {
	if cmd.p1 != 0 || len(cmd.data) != 0 {
		return nil, statusParameters
	}
	switch s := slot(cmd.p2); {
	case cmd.p2 == referencePIN:
		return c.pin.metadata(DefaultPIN), statusOK
	case cmd.p2 == referencePUK:
		return c.puk.metadata(DefaultPUK), statusOK
	case cmd.p2 == managementReference:
		return c.management.metadata(), statusOK
	case !s.exists():
		return nil, statusParameters
	case c.keys[s] == nil:
		return nil, statusNoReference
	default:
		return c.keys[s].metadata(), statusOK
	}
}

func (s secret) metadata(factory string) []byte {
	b := appendTLV(nil, tagAlgorithm, []byte{noAlgorithm})
	b = appendTLV(b, tagDefault, truth(s.String() == factory))
	return appendTLV(b, tagRetries, []byte{byte(s.limit), byte(s.left)})
}

func (k managementKey) metadata() []byte {
	b := appendTLV(nil, tagAlgorithm, []byte{byte(k.algorithm)})
	b = appendTLV(b, tagPolicy, []byte{byte(pinDefault), byte(k.touch)})
	return appendTLV(b, tagDefault, truth(bytes.Equal(k.value, DefaultManagementKey())))
}

func (k *key) metadata() []byte {
	b := appendTLV(nil, tagAlgorithm, []byte{byte(k.algorithm)})
	b = appendTLV(b, tagPolicy, []byte{byte(k.policy.pin), byte(k.policy.touch)})
	b = appendTLV(b, tagOrigin, []byte{byte(k.origin)})
	return appendTLV(b, tagPublic, k.private.publicTLV())
}

func truth(b bool) []byte {
	if b {
		return []byte{1}
	}
	return []byte{0}
}
