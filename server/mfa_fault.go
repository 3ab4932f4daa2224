package server

import (
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/sts"
)

// identityFault puts a refusal of the rooms behind IAM into the words of the
// service that was asked: keyd's own calls its errors exceptions, as all that
// speak JSON do.
func identityFault(c *call, e *iam.Error) *fault {
	f := &fault{code: e.Code, message: e.Message, status: e.Status, sender: true}
	if c.service != mfaapi.Service {
		return f
	}
	switch e.Code {
	case iam.CodeValidation:
		f.code = kms.CodeValidation
		return f
	case sts.CodeAccessDenied:
		f.code = kms.CodeAccessDenied
		return f
	}
	named := e.Code + "Exception"
	if c.route != nil && slices.ContainsFunc(c.route.op.Errors, func(x *api.Exception) bool { return x.Code == named }) {
		f.code = named
	}
	return f
}
