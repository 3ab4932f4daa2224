package pkcs11

import (
	"context"
	"fmt"
)

// maxRandom bounds one answer of Random.
const maxRandom = 64 << 10

// Random returns n bytes of the token's generator, 64 KiB at most.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > maxRandom {
		return nil, fmt.Errorf("random: %d bytes asked for, %d at most", n, maxRandom)
	}
	if err := ctx.Err(); n == 0 || err != nil {
		return nil, err
	}
	random := func(e *epoch) (b []byte, err error) {
		err = e.lend(ctx, func(s session) error {
			b, err = s.random(n)
			return err
		})
		return b, err
	}
	e := t.epoch.Load()
	b, err := random(e)
	if err == nil || !e.loses(err) {
		return b, explain(err)
	}
	return attempt(ctx, t, random)
}
