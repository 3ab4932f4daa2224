package server

import (
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/kms"
)

// resolveCallerIdentity: anyone who signed may ask who they are, even under an
// explicit deny.
func resolveCallerIdentity(*Server, *call, kms.Tx, *stsapi.GetCallerIdentityRequest) ([]authz.Check, error) {
	return []authz.Check{{Action: "sts:GetCallerIdentity", Resource: "*", Public: true}}, nil
}

func getCallerIdentity(_ *Server, c *call, _ *stsapi.GetCallerIdentityRequest) (*stsapi.GetCallerIdentityResponse, error) {
	return &stsapi.GetCallerIdentityResponse{UserId: &c.caller.ID, Account: &c.caller.Account, Arn: &c.caller.ARN}, nil
}
