package pkcs11_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/hsmtest"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/softhsm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestToken(t *testing.T) {
	configs := make(map[hsm.Info]pkcs11.Config)
	open := func(t *testing.T, c pkcs11.Config) hsm.Token {
		t.Helper()
		c.MaxHandles = hsmtest.Handles
		token, err := pkcs11.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	hsmtest.Run(t, hsmtest.Device{
		Open: func(t *testing.T) hsm.Token {
			s := softhsm.Test(t)
			configs[s.Info] = s.Config()
			return open(t, s.Config())
		},
		Reopen: func(t *testing.T, closed hsm.Token) hsm.Token {
			return open(t, configs[closed.Info()])
		},
	})
}
