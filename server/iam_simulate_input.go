package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/policy"
)

func invalidInput(format string, args ...any) error {
	return &iam.Error{Code: iam.CodeInvalidInput, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

// simulated finds whose policies are asked about. A group has no caller; what a
// policy gives the account counts for its members.
func (s *Server) simulated(c *call, arn string) (own *iam.Gathered, who iam.Principal, err error) {
	var e iam.Entity
	err = s.State.View(c.ctx, func(tx kms.Tx) error {
		if e, err = s.IAM.Entity(tx, arn); err != nil || e.Kind != iam.KindGroup {
			return err
		}
		own, err = s.IAM.PoliciesOfGroup(tx, arn)
		return err
	})
	if err != nil || own != nil {
		return own, iam.Principal{Type: iam.TypeUser, Account: s.Account}, err
	}
	if who, err = s.imagined(c, arn); err != nil {
		return nil, who, err
	}
	own, err = s.IAM.PoliciesOf(c.ctx, who)
	return own, who, err
}

// sessionName is that of the session in which a role is simulated.
const sessionName = "simulation"

// imagined is the caller of an ARN: a user, the root user, or a new session of a
// role. One that is not there, or not in this account, is known by its ARN only.
func (s *Server) imagined(c *call, arn string) (iam.Principal, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] != "aws" || len(part[4]) != 12 {
		return iam.Principal{}, invalidInput("Invalid Caller ARN: %s", arn)
	}
	account := part[4]
	kind, rest, _ := strings.Cut(part[5], "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	switch {
	case part[2] == "iam" && part[5] == "root":
		return iam.Root(account), nil
	case part[2] == "iam" && kind == iam.KindUser && name != "":
		p := iam.Principal{Type: iam.TypeUser, Account: account, ARN: arn, Name: name}
		u, err := s.IAM.User(c.ctx, nil, name)
		if err == nil && u.ARN() == arn {
			p.Name, p.ID, p.Tags = u.Name, u.ID, u.Tags
		}
		return p, unlessMissing(err)
	case part[2] == "iam" && kind == iam.KindRole && name != "":
		return s.imaginedSession(c, account, name, sessionName, arn)
	case part[2] == "sts" && kind == "assumed-role" && strings.Count(rest, "/") == 1 && name != "":
		role, _, _ := strings.Cut(rest, "/")
		return s.imaginedSession(c, account, role, name, "")
	}
	return iam.Principal{}, invalidInput("Invalid Caller ARN: %s", arn)
}

// imaginedSession is a session of a role, begun now. The role's ARN is "" where
// only its name is known.
func (s *Server) imaginedSession(c *call, account, role, session, arn string) (iam.Principal, error) {
	p := iam.Principal{
		Type: iam.TypeAssumedRole, Account: account, Parent: arn,
		ARN:     "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session,
		Session: &iam.Session{Issued: c.received},
	}
	if account != s.Account {
		return p, nil
	}
	r, err := s.IAM.Role(c.ctx, nil, role)
	if err == nil && (arn == "" || arn == r.ARN()) {
		p.Parent, p.ParentID, p.ID, p.Tags = r.ARN(), r.ID, r.ID+":"+session, r.Tags
	}
	return p, unlessMissing(err)
}

func unlessMissing(err error) error {
	if isNoSuchEntity(err) {
		return nil
	}
	return err
}

// readSimulation takes over what the request gives.
func (s *Server) readSimulation(c *call, sim *authz.Simulation, in *iamapi.SimulatePrincipalPolicyRequest) (err error) {
	sim.Time, sim.Region, sim.Owner = c.received, c.region, s.Account
	if in.CallerArn != nil {
		if sim.Caller, err = s.imagined(c, *in.CallerArn); err != nil {
			return err
		}
	}
	if sim.Identity, err = givenPolicies("PolicyInputList", in.PolicyInputList, policy.Identity); err != nil {
		return err
	}
	bounds, err := givenPolicies("PermissionsBoundaryPolicyInputList", in.PermissionsBoundaryPolicyInputList, policy.Boundary)
	if err != nil {
		return err
	}
	switch len(bounds) {
	case 0:
	case 1:
		sim.Boundary = bounds[0]
	default:
		return invalidInput("There can be only one permissions boundary.")
	}
	if in.ResourcePolicy != nil {
		if sim.Resource, err = givenPolicy("ResourcePolicy", *in.ResourcePolicy, resourceKind(in.ActionNames)); err != nil {
			return err
		}
	}
	if owner := api.Value(in.ResourceOwner); owner != "" {
		sim.Owner = strings.TrimSuffix(strings.TrimPrefix(owner, "arn:aws:iam::"), ":root")
	}
	for _, action := range in.ActionNames {
		if vendor, name, ok := strings.Cut(action, ":"); !ok || vendor == "" || name == "" || strings.ContainsAny(action, "*? ") {
			return invalidInput("Invalid Action: %s", action)
		}
	}
	sim.Given, err = givenFacts(in.ContextEntries)
	return err
}

// resourceKind is the kind of the resource policy: a role's for STS's actions.
func resourceKind(actions []string) policy.Kind {
	if len(actions) > 0 && strings.HasPrefix(strings.ToLower(actions[0]), "sts:") {
		return policy.Trust
	}
	return policy.Key
}

func givenPolicies(list string, texts []string, kind policy.Kind) ([]*policy.Policy, error) {
	var all []*policy.Policy
	for i, text := range texts {
		p, err := givenPolicy(fmt.Sprintf("%s.%d", list, i+1), text, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// givenPolicy refuses what could not be saved as such a policy.
func givenPolicy(name, text string, kind policy.Kind) (*policy.Policy, error) {
	_, err := policy.Parse([]byte(text), kind)
	if refusal := (*policy.Error)(nil); errors.As(err, &refusal) {
		return nil, invalidInput("%s: %s", name, refusal.Reason)
	}
	if err != nil {
		return nil, invalidInput("%s: %v", name, err)
	}
	return policy.Load(name, []byte(text), kind)
}

// givenFacts reads the context of a simulation.
func givenFacts(entries []iamapi.ContextEntry) ([]policy.Fact, error) {
	var facts []policy.Fact
	for _, e := range entries {
		f := policy.Fact{Key: api.Value(e.ContextKeyName)}
		switch {
		case f.Key == "":
			return nil, invalidInput("A context entry has no ContextKeyName.")
		case strings.HasSuffix(string(api.Value(e.ContextKeyType)), "List"):
			f.Value = policy.List(e.ContextKeyValues)
		case len(e.ContextKeyValues) == 1:
			f.Value = policy.Text(e.ContextKeyValues[0])
		default:
			return nil, invalidInput("Context key %s needs one value; there are %d.", f.Key, len(e.ContextKeyValues))
		}
		facts = append(facts, f)
	}
	return facts, nil
}
