package server

import (
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/mfaapi"
)

func mfaOp(name string) api.Operation { return operation(mfaapi.Service, name) }

// mfaRoutes is the part of the table with keyd's own operations on MFA devices
// (docs/spec/mfa.md, section 3.1).
func mfaRoutes() []*route {
	return slices.Concat(mfaOATHRoutes(), mfaPIVRoutes(), mfaSessionRoutes())
}
