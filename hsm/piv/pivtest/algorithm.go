package pivtest

// algorithm is an algorithm identifier (SP 800-78-4, table 6-2, and Yubico's).
type algorithm byte

const (
	rsa1024 algorithm = 0x06
	rsa2048 algorithm = 0x07
	rsa3072 algorithm = 0x05
	rsa4096 algorithm = 0x16
	p256    algorithm = 0x11
	p384    algorithm = 0x14
	ed255   algorithm = 0xe0
	x255    algorithm = 0xe1
)

// kind is what the card knows of an algorithm.
type kind struct {
	since Version
	// generate makes a new key.
	generate func() (private, error)
	// load makes one of its imported elements, if they are one.
	load func(fields) (private, bool)
}

// kinds are the algorithms of private keys.
var kinds = map[algorithm]kind{
	rsa1024: {Version{}, generateRSA(1024), loadRSA(1024)},
	rsa2048: {Version{}, generateRSA(2048), loadRSA(2048)},
	rsa3072: {firmwareCurves, generateRSA(3072), loadRSA(3072)},
	rsa4096: {firmwareCurves, generateRSA(4096), loadRSA(4096)},
	p256:    {Version{}, p256Curve.generate, p256Curve.load},
	p384:    {firmwareAttest, p384Curve.generate, p384Curve.load},
	ed255:   {firmwareCurves, generateEd25519, loadEd25519},
	x255:    {firmwareCurves, generateX25519, loadX25519},
}

// kind looks an algorithm up among those that the firmware knows.
func (c *Card) kind(a algorithm) (kind, bool) {
	k, ok := kinds[a]
	return k, ok && c.firmware.atLeast(k.since)
}
