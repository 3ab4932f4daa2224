package pkcs11

// Epoch is different after each recovery of a token.
func Epoch(t *Token) any { return t.epoch.Load() }
