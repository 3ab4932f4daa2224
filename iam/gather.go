package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keyd-hsm/keyd/policy"
)

// ErrNoPrincipal: a user or role that does not exist, or not any more, or what is
// none.
var ErrNoPrincipal = errors.New("principal not found")

// Gathered is all that the account's identities say about a caller, at one
// moment. It is shared and must not be changed.
type Gathered struct {
	// Identity are the policies that grant: inline and attached ones of a user
	// and its groups, or of a role. Sources says where each comes from.
	Identity []*policy.Policy
	Sources  []Source
	// Boundary is the permissions boundary; nil for none.
	Boundary    *policy.Policy
	BoundaryARN string
	// Tags are the user's or role's.
	Tags map[string]string

	id     string // unique id of the user or role
	weight int    // what keeping this costs, about, in bytes
}

// A Source says where a policy comes from.
type Source struct {
	Name   string // the policy's
	ARN    string // empty for an inline policy
	Holder Holder // who has it: the user, one of its groups, or the role
}

// PoliciesOf gathers what applies to a caller: to a user with or without a
// session, the user's; to a role session, the role's; to a federated user, those
// of the user behind it. Nothing applies to the root user.
//
// Any error must deny: of a caller that is not there any more, or whose name now
// belongs to another (ErrNoPrincipal),
// of a policy or version that is missing or cannot be read (rule 1.4). No policy
// is ever left out.
//
// What was gathered is kept until something under iam/ changes, which is before
// the change returns; then it costs one look into a map. It reads what is
// committed, so in an Update it does not see what that has written.
func (s *Service) PoliciesOf(ctx context.Context, p Principal) (*Gathered, error) {
	if p.IsRoot() {
		return &nothingGathered, nil
	}
	known, since := s.gathered.find(p.Owner())
	if known != nil {
		return known, known.fits(p)
	}
	h, err := s.holderOf(p)
	if err != nil {
		return nil, err
	}
	var g *Gathered
	err = s.db.View(ctx, func(tx Tx) (err error) {
		g, err = s.gather(tx, h, p.Owner())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("policies of %s: %w", p.ARN, unasked(err))
	}
	s.gathered.add(p.Owner(), g, since)
	return g, g.fits(p)
}

var nothingGathered Gathered

// unasked makes a plain error of a refusal: it is about something that the caller
// has not asked for, and is no answer to what the caller did.
func unasked(err error) error {
	if refusal := (*Error)(nil); errors.As(err, &refusal) {
		return errors.New(refusal.Message)
	}
	return err
}

// Owner is the ARN of the user or role whose policies apply.
func (p Principal) Owner() string {
	if p.Parent != "" {
		return p.Parent
	}
	return p.ARN
}

// fits refuses a caller that is not the one of its name now: users and roles are
// known by their unique ids.
func (g *Gathered) fits(p Principal) error {
	rest, ok := strings.CutPrefix(p.ID, g.id)
	switch p.Type {
	case TypeUser:
		ok = ok && rest == ""
	case TypeAssumedRole:
		ok = ok && strings.HasPrefix(rest, ":")
	case TypeFederatedUser:
		ok = p.ParentID == g.id // its own id, account:name, says nothing about the user
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("%s: %w", p.ARN, ErrNoPrincipal)
	}
	return nil
}

// holderOf finds whose policies apply to a caller, by name.
func (s *Service) holderOf(p Principal) (Holder, error) {
	arn, kind := p.Owner(), KindUser
	if p.Type == TypeAssumedRole {
		kind = KindRole
	}
	rest, ok := strings.CutPrefix(arn, entityARN(s.account, kind, "/", ""))
	if name := rest[strings.LastIndexByte(rest, '/')+1:]; ok && name != "" {
		return Holder{Kind: kind, Name: name}, nil
	}
	return Holder{}, fmt.Errorf("%s: %w", p.ARN, ErrNoPrincipal)
}

// gather reads everything in one snapshot.
func (s *Service) gather(tx Tx, h Holder, arn string) (*Gathered, error) {
	e, err := h.entity(tx)
	if isNoSuch(err) || err == nil && e.ARN != arn {
		return nil, ErrNoPrincipal
	}
	if err != nil {
		return nil, err
	}
	g := &gathering{s: s, tx: tx, Gathered: &Gathered{id: e.ID, Tags: e.Tags, BoundaryARN: e.Boundary, weight: len(arn) + 512}}
	if err := g.holder(Holder{h.Kind, e.Name}); err != nil {
		return nil, err
	}
	if h.Kind == KindUser {
		if err := g.groups(e.Name); err != nil {
			return nil, err
		}
	}
	if e.Boundary != "" {
		g.Boundary, err = g.managed(e.Boundary, policy.Boundary)
	}
	return g.Gathered, err
}
