package pkcs11

import (
	"cmp"
	"context"

	p11 "github.com/miekg/pkcs11"

	"github.com/keyd-hsm/keyd/hsm"
)

// hmacs are the mechanisms of HMAC, made once: they are only ever read.
var hmacs = map[uint][]*p11.Mechanism{
	p11.CKM_SHA_1_HMAC:  mechanism(p11.CKM_SHA_1_HMAC),
	p11.CKM_SHA224_HMAC: mechanism(p11.CKM_SHA224_HMAC),
	p11.CKM_SHA256_HMAC: mechanism(p11.CKM_SHA256_HMAC),
	p11.CKM_SHA384_HMAC: mechanism(p11.CKM_SHA384_HMAC),
	p11.CKM_SHA512_HMAC: mechanism(p11.CKM_SHA512_HMAC),
}

// MAC computes an HMAC in the token. A key that is in the cache, as most are,
// is used on the caller's goroutine; see [attempt] for the others.
func (t *Token) MAC(ctx context.Context, k hsm.Key, data []byte) ([]byte, error) {
	if err := wanted(k, k.Use == 0, "computes MACs"); err != nil {
		return nil, err
	}
	return t.with(ctx, k, quick, data, mac)
}

func mac(s session, h *handle, data []byte) ([]byte, error) {
	m := h.kind.shape()
	return s.sign(hmacs[m.hmac], h.object, data, cmp.Or(m.sum, m.secret))
}
