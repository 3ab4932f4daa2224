package pivtest

// setRetries sets how many tries PIN and PUK have, and both to their defaults.
func (c *Card) setRetries(cmd command) ([]byte, status) {
	if !c.session.managed || !c.session.pinVerified {
		return nil, statusRefused
	}
	if cmd.p1 == 0 || cmd.p2 == 0 || len(cmd.data) != 0 {
		return nil, statusParameters
	}
	c.pin = newSecret(DefaultPIN, int(cmd.p1))
	c.puk = newSecret(DefaultPUK, int(cmd.p2))
	return nil, statusOK
}

// reset sets the application to what the factory gave, but for the attestation
// key. It takes a PIN and a PUK that are both blocked, so that nobody does it by
// mistake.
func (c *Card) reset(cmd command) ([]byte, status) {
	switch {
	case cmd.p1 != 0 || cmd.p2 != 0 || len(cmd.data) != 0:
		return nil, statusParameters
	case c.pin.left != 0 || c.puk.left != 0:
		return nil, statusConditions
	}
	key, certificate := c.keys[attestation], c.objects[attestationCertificate]
	c.settle()
	if key != nil {
		c.keys[attestation] = key
	}
	if certificate != nil {
		c.objects[attestationCertificate] = certificate
	}
	return nil, statusOK
}
