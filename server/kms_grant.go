package server

import (
	"errors"
	"strconv"
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func kmsGrantRoutes() []*route {
	return []*route{
		change(kmsOp("CreateGrant"), levelPermissions, resolveCreateGrant, createGrant),
		change(kmsOp("RevokeGrant"), levelPermissions, resolveRevokeGrant, revokeGrant),
		change(kmsOp("RetireGrant"), levelPermissions, resolveRetireGrant, retireGrant),
		query(kmsOp("ListGrants"), levelList, onKeyID("kms:ListGrants", func(in *kmsapi.ListGrantsRequest) *string { return in.KeyId }), listGrants),
		query(kmsOp("ListRetirableGrants"), levelList, onNothing[kmsapi.ListRetirableGrantsRequest]("kms:ListRetirableGrants"), listRetirableGrants),
	}
}

// checkTokens refuses a request with a grant token that is of no grant; asked
// after the gate, of every operation that takes some.
func (s *Server) checkTokens(c *call, tx kms.Tx) error {
	tokens := grantTokens(c.in)
	if len(tokens) == 0 {
		return nil
	}
	return s.KMS.CheckGrantTokens(c.ctx, tx, c.region, tokens)
}

// grantTokens are those of an input.
func grantTokens(in any) []string {
	switch in := in.(type) {
	case *kmsapi.EncryptRequest:
		return in.GrantTokens
	case *kmsapi.DecryptRequest:
		return in.GrantTokens
	case *kmsapi.ReEncryptRequest:
		return in.GrantTokens
	case *kmsapi.GenerateDataKeyRequest:
		return in.GrantTokens
	case *kmsapi.GenerateDataKeyWithoutPlaintextRequest:
		return in.GrantTokens
	case *kmsapi.GenerateDataKeyPairRequest:
		return in.GrantTokens
	case *kmsapi.GenerateDataKeyPairWithoutPlaintextRequest:
		return in.GrantTokens
	case *kmsapi.SignRequest:
		return in.GrantTokens
	case *kmsapi.VerifyRequest:
		return in.GrantTokens
	case *kmsapi.GenerateMacRequest:
		return in.GrantTokens
	case *kmsapi.VerifyMacRequest:
		return in.GrantTokens
	case *kmsapi.DeriveSharedSecretRequest:
		return in.GrantTokens
	case *kmsapi.EncapsulateRequest:
		return in.GrantTokens
	case *kmsapi.DecapsulateRequest:
		return in.GrantTokens
	case *kmsapi.GetPublicKeyRequest:
		return in.GrantTokens
	case *kmsapi.DescribeKeyRequest:
		return in.GrantTokens
	case *kmsapi.CreateGrantRequest:
		return in.GrantTokens
	}
	return nil
}

func grantScope(in *kmsapi.CreateGrantRequest) kms.GrantScope {
	var scope kms.GrantScope
	for _, op := range in.Operations {
		scope.Operations = append(scope.Operations, string(op))
	}
	if in.Constraints != nil {
		scope.Equals, scope.Subset = in.Constraints.EncryptionContextEquals, in.Constraints.EncryptionContextSubset
	}
	return scope
}

func resolveCreateGrant(s *Server, c *call, tx kms.Tx, in *kmsapi.CreateGrantRequest) ([]authz.Check, error) {
	k, err := s.KMS.ResolveID(c.ctx, tx, c.region, api.Value(in.KeyId))
	checks, err := c.onKey("kms:CreateGrant", k, err)
	if err == nil {
		checks[0].Child = new(grantScope(in))
	}
	return checks, err
}

// createGrantFacts are the condition keys of CreateGrant.
func createGrantFacts(in *kmsapi.CreateGrantRequest) []authz.Fact {
	facts := []authz.Fact{forAWSResource}
	add := func(key string, value *string) {
		if value != nil {
			facts = append(facts, authz.Fact{Key: key, Values: []string{*value}})
		}
	}
	add("kms:GranteePrincipal", in.GranteePrincipal)
	add("kms:RetiringPrincipal", in.RetiringPrincipal)
	scope := grantScope(in)
	facts = append(facts, authz.Fact{Key: "kms:GrantOperations", Values: scope.Operations, List: true})
	if scope.Equals != nil {
		facts = append(facts, authz.Fact{Key: "kms:GrantConstraintType", Values: []string{"EncryptionContextEquals"}})
	}
	if len(scope.Subset) > 0 { // an empty one constrains nothing
		facts = append(facts, authz.Fact{Key: "kms:GrantConstraintType", Values: []string{"EncryptionContextSubset"}})
	}
	return contextFacts(contextFacts(facts, scope.Equals), scope.Subset)
}

// forAWSResource is false on every call: no service of AWS's calls (rule 7.9).
var forAWSResource = authz.Fact{Key: "kms:GrantIsForAWSResource", Values: []string{strconv.FormatBool(false)}}

func createGrant(s *Server, c *call, tx kms.Tx, in *kmsapi.CreateGrantRequest) (*kmsapi.CreateGrantResponse, error) {
	n := kms.NewGrant{Name: api.Value(in.Name), Issuer: c.caller.Account, GrantScope: grantScope(in)}
	if in.GranteeServicePrincipal != nil || in.RetiringServicePrincipal != nil || in.Constraints != nil && in.Constraints.SourceArn != nil {
		return nil, errServicePrincipal
	}
	if in.GranteePrincipal == nil {
		return nil, nullMember("granteePrincipal")
	}
	var err error
	if n.Grantee, err = s.bindARN(tx, *in.GranteePrincipal); err != nil {
		return nil, err
	}
	if in.RetiringPrincipal != nil {
		if n.Retiring, err = s.bindARN(tx, *in.RetiringPrincipal); err != nil {
			return nil, err
		}
	}
	g, token, err := s.KMS.CreateGrant(tx, c.key, n)
	if err != nil {
		return nil, err
	}
	return &kmsapi.CreateGrantResponse{GrantId: &g.ID, GrantToken: &token}, dryRun(in.DryRun)
}

var errServicePrincipal = &kms.Error{
	Code:    kms.CodeValidation,
	Message: "Grants to services of AWS are not supported: none of them can call keyd. Name a GranteePrincipal, and no SourceArn.",
}

func nullMember(name string) error {
	return &kms.Error{Code: kms.CodeValidation, Message: "1 validation error detected: Value null at '" + name +
		"' failed to satisfy constraint: Member must not be null"}
}

// dryRun ends a change that would have succeeded.
func dryRun(asked *bool) error {
	if api.Value(asked) {
		return dryRunSuccess
	}
	return nil
}

// bindPrincipal is what a grant keeps of a principal that a request names.
func (s *Server) bindPrincipal(tx kms.Tx, principal string) (string, error) {
	bound, err := s.IAM.BindPrincipal(tx, principal)
	if errors.Is(err, iam.ErrNoPrincipal) {
		err = errNoPrincipal(principal)
	}
	return bound, err
}

// bindARN is bindPrincipal for a grant to be made. It takes no unique ids: what
// conditions on kms:GranteePrincipal and kms:RetiringPrincipal compare is an ARN.
func (s *Server) bindARN(tx kms.Tx, principal string) (string, error) {
	if !strings.HasPrefix(principal, "arn:") {
		return "", errNoPrincipal(principal)
	}
	return s.bindPrincipal(tx, principal)
}

func errNoPrincipal(principal string) error {
	return &kms.Error{Code: kms.CodeInvalidArn, Message: "ARN does not refer to a valid principal: " + principal}
}

// onGrant finds a grant of the call's key.
func (s *Server) onGrant(c *call, tx kms.Tx, id *string) (err error) {
	c.grant, err = s.KMS.Grant(c.ctx, tx, c.key, api.Value(id))
	return err
}

func resolveRevokeGrant(s *Server, c *call, tx kms.Tx, in *kmsapi.RevokeGrantRequest) ([]authz.Check, error) {
	k, err := s.KMS.ResolveID(c.ctx, tx, c.region, api.Value(in.KeyId))
	return c.onKey("kms:RevokeGrant", k, err)
}

func revokeGrant(s *Server, c *call, tx kms.Tx, in *kmsapi.RevokeGrantRequest) (*nothing, error) {
	if err := s.onGrant(c, tx, in.GrantId); err != nil {
		return nil, err
	}
	if err := s.KMS.DeleteGrant(tx, c.key, c.grant); err != nil {
		return nil, err
	}
	return nil, dryRun(in.DryRun)
}

// resolveRetireGrant finds the grant by its token, or by its id and key. Who may
// retire it, the grant says (rule 7.7).
func resolveRetireGrant(s *Server, c *call, tx kms.Tx, in *kmsapi.RetireGrantRequest) (_ []authz.Check, err error) {
	byID := in.KeyId != nil && in.GrantId != nil
	if byID == (in.GrantToken != nil) || !byID && (in.KeyId != nil || in.GrantId != nil) {
		return nil, &kms.Error{Code: kms.CodeValidation, Message: "Grant token OR (grant ID, key ID pair) must be specified"}
	}
	if byID {
		if c.key, err = s.KMS.ResolveID(c.ctx, tx, c.region, *in.KeyId); err == nil {
			err = s.onGrant(c, tx, in.GrantId)
		}
	} else {
		c.grant, err = s.KMS.GrantByToken(c.ctx, tx, c.region, *in.GrantToken)
		if err == nil {
			c.key, err = s.KMS.KeyByID(c.ctx, tx, c.grant.Region, c.grant.Key)
		}
	}
	if err != nil {
		return nil, err
	}
	check := keyCheck("kms:RetireGrant", c.key)
	check.Retires = c.grant
	check.Facts = contextFacts(contextFacts(nil, c.grant.Equals), c.grant.Subset)
	return []authz.Check{check}, nil
}

func retireGrant(s *Server, c *call, tx kms.Tx, in *kmsapi.RetireGrantRequest) (*nothing, error) {
	if err := s.KMS.DeleteGrant(tx, c.key, c.grant); err != nil {
		return nil, err
	}
	return nil, dryRun(in.DryRun)
}
