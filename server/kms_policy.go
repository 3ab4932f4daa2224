package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/kms"
)

// checkPolicyName refuses every name but the one that key policies have.
func checkPolicyName(name *string) error {
	if name != nil && *name != kms.PolicyName {
		return &kms.Error{Code: kms.CodeNotFound, Message: "No such policy exists"}
	}
	return nil
}

func getKeyPolicy(_ *Server, c *call, in *kmsapi.GetKeyPolicyRequest) (*kmsapi.GetKeyPolicyResponse, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	return &kmsapi.GetKeyPolicyResponse{Policy: &c.key.Policy, PolicyName: new(kms.PolicyName)}, nil
}

func listKeyPolicies(_ *Server, _ *call, in *kmsapi.ListKeyPoliciesRequest) (*kmsapi.ListKeyPoliciesResponse, error) {
	if in.Marker != nil {
		return nil, &kms.Error{Code: kms.CodeInvalidMarker, Message: "Could not deserialize marker '" + *in.Marker + "'"}
	}
	return &kmsapi.ListKeyPoliciesResponse{PolicyNames: []string{kms.PolicyName}, Truncated: new(false)}, nil
}

func putKeyPolicy(s *Server, c *call, tx kms.Tx, in *kmsapi.PutKeyPolicyRequest) (*nothing, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	return nil, s.KMS.PutKeyPolicy(tx, c.key, api.Value(in.Policy))
}
