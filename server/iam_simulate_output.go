package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
)

// simulateOne answers one action on one resource.
func (s *Server) simulateOne(c *call, sim *authz.Simulation, action, resource string) (*iamapi.EvaluationResult, error) {
	check := authz.Check{Action: action, Resource: resource}
	if err := s.aboutResource(c, sim, &check); err != nil {
		return nil, err
	}
	d, err := s.Gate.Simulate(c.ctx, sim, check)
	if err != nil {
		return nil, err
	}
	statements, err := s.matched(c, sim, check, d.Matches)
	if err != nil {
		return nil, err
	}
	out := &iamapi.EvaluationResult{
		EvalActionName: &action, EvalResourceName: &resource, EvalDecision: verdict(d.Verdict),
		MatchedStatements: statements, MissingContextValues: d.Missing,
	}
	if d.ByGuardrails != nil {
		out.OrganizationsDecisionDetail = &iamapi.OrganizationsDecisionDetail{AllowedByOrganizations: d.ByGuardrails}
	}
	if d.ByBoundary != nil {
		out.PermissionsBoundaryDecisionDetail = &iamapi.PermissionsBoundaryDecisionDetail{AllowedByPermissionsBoundary: d.ByBoundary}
	}
	if resource == "*" {
		return out, nil
	}
	out.EvalDecisionDetails = map[string]iamapi.PolicyEvaluationDecisionType{}
	if d.Foreign {
		out.EvalDecisionDetails["IAM Policy"] = *layerVerdict(d.Matches, policy.OnIdentity)
		out.EvalDecisionDetails["Resource Policy"] = *layerVerdict(d.Matches, policy.OnResource)
	}
	out.ResourceSpecificResults = []iamapi.ResourceSpecificResult{{
		EvalResourceName: &resource, EvalResourceDecision: out.EvalDecision, MatchedStatements: statements,
		MissingContextValues: d.Missing, EvalDecisionDetails: out.EvalDecisionDetails,
		PermissionsBoundaryDecisionDetail: out.PermissionsBoundaryDecisionDetail,
	}}
	return out, nil
}

// aboutResource finds the key or role that a check is about, unless the request
// brings all policies itself.
func (s *Server) aboutResource(c *call, sim *authz.Simulation, check *authz.Check) error {
	part := strings.SplitN(check.Resource, ":", 6)
	if sim.Alone || len(part) != 6 || part[4] != s.Account {
		return nil
	}
	vendor, _, _ := strings.Cut(strings.ToLower(check.Action), ":")
	name := part[5][strings.LastIndexByte(part[5], '/')+1:]
	switch {
	case vendor == "kms" && part[2] == "kms" && strings.HasPrefix(part[5], "key/"):
		k, err := s.KMS.ResolveID(c.ctx, nil, part[3], check.Resource)
		if refusal := (*kms.Error)(nil); errors.As(err, &refusal) {
			return nil // no such key: no policy allows anything
		}
		check.Key = k
		return err
	case vendor == "sts" && part[2] == "iam" && strings.HasPrefix(part[5], "role/"):
		r, err := s.IAM.Role(c.ctx, nil, name)
		if err == nil && r.ARN() == check.Resource {
			check.Trust = r
		}
		return unlessMissing(err)
	}
	return nil
}

func verdict(v policy.Verdict) *iamapi.PolicyEvaluationDecisionType {
	switch v {
	case policy.Allowed:
		return new(iamapi.PolicyEvaluationDecisionTypeAllowed)
	case policy.ExplicitlyDenied:
		return new(iamapi.PolicyEvaluationDecisionTypeExplicitDeny)
	}
	return new(iamapi.PolicyEvaluationDecisionTypeImplicitDeny)
}

// layerVerdict is what the policies of one layer say by themselves.
func layerVerdict(matches []authz.SimulatedMatch, l policy.Layer) *iamapi.PolicyEvaluationDecisionType {
	found := policy.ImplicitlyDenied
	for _, m := range matches {
		switch {
		case m.Layer != l:
		case m.Statement.Effect == policy.Deny:
			return verdict(policy.ExplicitlyDenied)
		default:
			found = policy.Allowed
		}
	}
	return verdict(found)
}

// matched shows where the statements that matched stand.
func (s *Server) matched(c *call, sim *authz.Simulation, check authz.Check, matches []authz.SimulatedMatch) ([]iamapi.Statement, error) {
	out := []iamapi.Statement{}
	for _, m := range matches {
		if m.Policy == nil {
			continue
		}
		p := m.Policy
		id, kind := source(m)
		if m.Layer == policy.OnResource && sim.Resource == nil && m.Statement.Line > 0 {
			shown, err := s.asShown(c, check)
			if err != nil {
				return nil, err
			}
			p = shown
		}
		st := iamapi.Statement{SourcePolicyId: &id, SourcePolicyType: &kind}
		if i := m.Statement.Index; i < len(p.Statements) && p.Statements[i].Line > 0 {
			st.StartPosition, st.EndPosition = span([]byte(p.Text()), p.Statements[i].Line, p.Statements[i].Column)
		}
		out = append(out, st)
	}
	return out, nil
}

// asShown is the policy of a key or role as its owner sees it, with the names of
// users and roles in place of their unique ids: positions are counted in that.
func (s *Server) asShown(c *call, check authz.Check) (*policy.Policy, error) {
	if check.Key != nil {
		text, err := s.shownPolicy(c.ctx, check.Key)
		if err != nil {
			return nil, err
		}
		return policy.Load(kms.PolicyName, []byte(text), policy.Key)
	}
	var text string
	err := s.State.View(c.ctx, func(tx kms.Tx) (err error) {
		text, err = s.IAM.TrustPolicy(tx, check.Trust)
		return err
	})
	if err != nil {
		return nil, err
	}
	return policy.Load(check.Trust.Name, []byte(text), policy.Trust)
}

// source says which policy a statement is from, as AWS names it.
func source(m authz.SimulatedMatch) (id string, kind iamapi.PolicySourceType) {
	id = m.Policy.Name
	switch holder, _, _ := strings.Cut(id, "_"); {
	case m.Layer == policy.OnResource && id == "":
		return kms.PolicyName, iamapi.PolicySourceTypeResource
	case m.Layer == policy.OnResource:
		return id, iamapi.PolicySourceTypeResource
	case strings.HasPrefix(id, "arn:aws:iam::aws:policy/"):
		return id[strings.LastIndexByte(id, '/')+1:], iamapi.PolicySourceTypeAwsManaged
	case strings.HasPrefix(id, "arn:"):
		return id[strings.LastIndexByte(id, '/')+1:], iamapi.PolicySourceTypeUserManaged
	case m.Layer == policy.OnIdentity && (holder == iam.KindUser || holder == iam.KindGroup || holder == iam.KindRole):
		return id, iamapi.PolicySourceType(holder)
	}
	return id, iamapi.PolicySourceTypeNone
}

// span is where a statement begins, and the place behind its end.
func span(text []byte, line, column int) (start, end *iamapi.Position) {
	at := 0
	for range line - 1 {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	for range column - 1 {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	var statement json.RawMessage
	d := json.NewDecoder(bytes.NewReader(text[at:]))
	if d.Decode(&statement) != nil {
		return position(line, column), nil
	}
	inside := text[at : at+int(d.InputOffset())]
	endLine, endColumn := line+bytes.Count(inside, []byte("\n")), column+utf8.RuneCount(inside)
	if i := bytes.LastIndexByte(inside, '\n'); i >= 0 {
		endColumn = 1 + utf8.RuneCount(inside[i+1:])
	}
	return position(line, column), position(endLine, endColumn)
}

func position(line, column int) *iamapi.Position {
	return &iamapi.Position{Line: new(int32(line)), Column: new(int32(column))}
}
