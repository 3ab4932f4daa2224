package server

import (
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/kms"
)

func createAccountAlias(s *Server, _ *call, tx kms.Tx, in *iamapi.CreateAccountAliasRequest) (*nothing, error) {
	return nil, s.IAM.CreateAccountAlias(tx, *in.AccountAlias)
}

func deleteAccountAlias(s *Server, _ *call, tx kms.Tx, in *iamapi.DeleteAccountAliasRequest) (*nothing, error) {
	return nil, s.IAM.DeleteAccountAlias(tx, *in.AccountAlias)
}

// listAccountAliases lists the one alias that an account can have.
func listAccountAliases(s *Server, _ *call, tx kms.Tx, _ *iamapi.ListAccountAliasesRequest) (*iamapi.ListAccountAliasesResponse, error) {
	alias, err := s.IAM.AccountAlias(tx)
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListAccountAliasesResponse{AccountAliases: []string{}, IsTruncated: new(false)}
	if alias != "" {
		out.AccountAliases = []string{alias}
	}
	return out, nil
}
