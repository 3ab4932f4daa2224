package pivtest

// authenticate is GENERAL AUTHENTICATE: with the management key it lets the
// manager in, with a private key it signs, deciphers or agrees on a secret
// (SP 800-73-4 part 2, section 3.2.4).
func (c *Card) authenticate(cmd command) ([]byte, status) {
	if cmd.p2 == managementReference {
		if algorithm(cmd.p1) != c.management.algorithm {
			return nil, statusParameters
		}
		return c.authenticateManager(cmd)
	}
	s := slot(cmd.p2)
	if !s.exists() || s == attestation {
		return nil, statusParameters // that key signs nothing but attestations
	}
	k, ok := c.keys[s]
	if !ok {
		return nil, statusNoReference
	}
	if algorithm(cmd.p1) != k.algorithm {
		return nil, statusParameters
	}
	return c.use(k, cmd.data)
}

// use checks what is asked of a key, asks for what the key wants, and does it.
func (c *Card) use(k *key, data []byte) ([]byte, status) {
	f, ok := parseTemplate(data, tagTemplate)
	if response, asked := f[tagResponse]; !ok || !asked || len(response) != 0 || len(f) != 2 {
		return nil, statusData
	}
	tag := uint32(tagChallenge)
	if _, ok := f[tagExponent]; ok {
		tag = tagExponent
	}
	operand, ok := f[tag]
	if !ok {
		return nil, statusData
	}
	run, ok := k.private.operation(tag, operand)
	if !ok {
		return nil, statusData
	}
	if !c.permit(k.policy) {
		return nil, statusRefused
	}
	result, err := run()
	if err != nil {
		return nil, statusInternal
	}
	return appendTLV(nil, tagTemplate, appendTLV(nil, tagResponse, result)), statusOK
}
