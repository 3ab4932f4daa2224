package iam_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/policy"
)

func asUser(u *iam.User) iam.Principal {
	return iam.Principal{Type: iam.TypeUser, Account: account, ARN: u.ARN(), ID: u.ID, Name: u.Name}
}

func asSession(r *iam.Role) iam.Principal {
	return iam.Principal{Type: iam.TypeAssumedRole, Account: account, Parent: r.ARN(), ID: r.ID + ":s",
		ARN: "arn:aws:sts::" + account + ":assumed-role/" + r.Name + "/s"}
}

// gathered names what applies to a principal, in one line.
func (f *fixture) gathered(p iam.Principal) string {
	f.t.Helper()
	g, err := f.PoliciesOf(f.t.Context(), p)
	if err != nil {
		return err.Error()
	}
	var all []string
	for i, p := range g.Identity {
		s := g.Sources[i]
		if s.ARN != "" && p.Name != s.ARN || s.ARN == "" && p.Name != s.Holder.Kind+"_"+s.Holder.Name+"_"+s.Name {
			f.t.Errorf("policy %q of %+v", p.Name, s)
		}
		all = append(all, s.Holder.Name+":"+s.Name)
	}
	if g.Boundary != nil {
		if g.Boundary.Kind != policy.Boundary || g.Boundary.Name != g.BoundaryARN {
			f.t.Errorf("boundary %v %q of %q", g.Boundary.Kind, g.Boundary.Name, g.BoundaryARN)
		}
		all = append(all, "within "+g.BoundaryARN[strings.LastIndexByte(g.BoundaryARN, '/')+1:])
	}
	return strings.Join(all, " ")
}

// TestPoliciesOfUser: what changes is in force at once, wherever it changes.
func TestPoliciesOfUser(t *testing.T) {
	f := start(t)
	u := f.user("Bob", iam.Tag{Key: "dept", Value: "x"})
	f.group("Ops")
	own := f.policy("own", everything)
	bob, ops := iam.Holder{Kind: iam.KindUser, Name: "bob"}, iam.Holder{Kind: iam.KindGroup, Name: "ops"}
	for _, step := range []struct {
		change func(tx iam.Tx) error
		want   string
	}{
		{func(iam.Tx) error { return nil }, ""},
		{func(tx iam.Tx) error { return f.PutInlinePolicy(tx, bob, "mine", everything) }, "Bob:mine"},
		{func(tx iam.Tx) error { return f.AttachPolicy(tx, bob, own) }, "Bob:mine Bob:own"},
		{func(tx iam.Tx) error { return f.AttachPolicy(tx, ops, readOnly) }, "Bob:mine Bob:own"},
		{func(tx iam.Tx) error { return f.AddUser(tx, "ops", "bob") }, "Bob:mine Bob:own Ops:ReadOnlyAccess"},
		{func(tx iam.Tx) error { return f.PutInlinePolicy(tx, ops, "theirs", everything) }, "Bob:mine Bob:own Ops:theirs Ops:ReadOnlyAccess"},
		{func(tx iam.Tx) error {
			u, err := f.User(t.Context(), tx, "bob")
			return errors.Join(err, f.SetUserBoundary(tx, u, own))
		}, "Bob:mine Bob:own Ops:theirs Ops:ReadOnlyAccess within own"},
		{func(tx iam.Tx) error { return f.DetachPolicy(tx, bob, own) }, "Bob:mine Ops:theirs Ops:ReadOnlyAccess within own"},
		{func(tx iam.Tx) error { return f.DeleteInlinePolicy(tx, bob, "mine") }, "Ops:theirs Ops:ReadOnlyAccess within own"},
		{func(tx iam.Tx) error { return f.RemoveUser(tx, "ops", "bob") }, "within own"},
	} {
		f.do(step.change)
		for range 2 { // the second time from the cache
			if got := f.gathered(asUser(u)); got != step.want {
				t.Errorf("got %q, want %q", got, step.want)
			}
		}
	}
	g, err := f.PoliciesOf(t.Context(), asUser(u))
	f.must(err)
	f.do(func(tx iam.Tx) error { return f.TagUser(tx, "bob", []iam.Tag{{Key: "dept", Value: "y"}}) })
	after, err := f.PoliciesOf(t.Context(), asUser(u))
	f.must(err)
	if g.Tags["dept"] != "x" || after.Tags["dept"] != "y" {
		t.Error(g.Tags, after.Tags)
	}
}

// TestVersionInForce: the default version counts, as soon as it is the default.
func TestVersionInForce(t *testing.T) {
	f := start(t)
	u := f.user("bob")
	arn := f.policy("p", everything)
	f.do(func(tx iam.Tx) error { return f.AttachPolicy(tx, iam.Holder{Kind: iam.KindUser, Name: "bob"}, arn) })
	inForce := func() string {
		g, err := f.PoliciesOf(t.Context(), asUser(u))
		f.must(err)
		m, err := f.Managed(t.Context(), arn, policy.Session)
		f.must(err)
		if m.Text() != g.Identity[0].Text() || m.Kind != policy.Session {
			t.Errorf("%v %q", m.Kind, m.Text())
		}
		return g.Identity[0].Text()
	}
	if inForce() != everything {
		t.Error(inForce())
	}
	f.version(arn, nothingAllowed, false)
	if inForce() != everything {
		t.Error(inForce())
	}
	f.do(func(tx iam.Tx) error { return f.SetDefaultPolicyVersion(tx, arn, "v2") })
	if inForce() != nothingAllowed {
		t.Error(inForce())
	}
}

// TestSessions: a role session has the role's policies, a federated user those of
// the user behind it, the root user none.
func TestSessions(t *testing.T) {
	f := start(t)
	u, r := f.user("bob"), f.role("deploy", trusting("*"))
	f.do(func(tx iam.Tx) error {
		return errors.Join(f.SetRoleBoundary(tx, r, readOnly),
			f.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindRole, Name: "deploy"}, "p", everything),
			f.PutInlinePolicy(tx, iam.Holder{Kind: iam.KindUser, Name: "bob"}, "q", everything))
	})
	federated := iam.Principal{Type: iam.TypeFederatedUser, Account: account, Parent: u.ARN(), ParentID: u.ID, ID: account + ":guest",
		ARN: "arn:aws:sts::" + account + ":federated-user/guest"}
	got := []string{f.gathered(asSession(r)), f.gathered(federated), f.gathered(iam.Root(account))}
	if diff := cmp.Diff([]string{"deploy:p within ReadOnlyAccess", "bob:q", ""}, got); diff != "" {
		t.Error(diff)
	}
}

// TestOthersOfTheName proves rule 2.4 for callers: who comes after somebody of the
// same name is somebody else.
func TestOthersOfTheName(t *testing.T) {
	f := start(t)
	u, r := f.user("bob"), f.role("deploy", trusting("*"))
	if f.gathered(asUser(u)) != "" || f.gathered(asSession(r)) != "" {
		t.Error("they have policies")
	}
	gone := func(p iam.Principal) {
		t.Helper()
		for range 2 {
			if g, err := f.PoliciesOf(t.Context(), p); !errors.Is(err, iam.ErrNoPrincipal) {
				t.Errorf("%+v %v", g, err)
			}
		}
	}
	f.do(func(tx iam.Tx) error { return errors.Join(f.DeleteUser(tx, "bob"), f.DeleteRole(tx, "deploy")) })
	gone(asUser(u))
	gone(asSession(r))
	u2, r2 := f.user("bob"), f.role("deploy", trusting("*"))
	if f.gathered(asUser(u2)) != "" || f.gathered(asSession(r2)) != "" { // now they are in the cache
		t.Error("they have policies")
	}
	gone(asUser(u))
	gone(asSession(r))
	other := asUser(u2)
	other.Type = "Robot"
	gone(other)
	other = asUser(u2)
	other.ARN = "arn:aws:iam::999900001111:user/bob"
	gone(other)
	other.ARN = "arn:aws:iam::111122223333:user/path/bob"
	gone(other)
}

// TestUnreadable proves rule 1.4: what cannot be read is an error, never left out.
func TestUnreadable(t *testing.T) {
	f := start(t)
	u := f.user("bob")
	arn := f.policy("p", everything)
	bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
	f.do(func(tx iam.Tx) error {
		return errors.Join(f.PutInlinePolicy(tx, bob, "q", nothingAllowed), f.AttachPolicy(tx, bob, arn))
	})
	p, err := f.Policy(t.Context(), nil, arn)
	f.must(err)
	for path, damaged := range map[string]string{
		"iam/inline/user/bob/q":                 `{"v":1,"name":"q","document":"{\"Version\":"}`,
		"iam/inline/user/bob/q ":                `not JSON`,
		"iam/policy/p":                          `{`,
		"iam/policy-version/" + p.ID + "/v1":    ``, // "" takes it away
		"iam/attached/user/bob/" + arn + "none": `{}`,
	} {
		var before string
		f.do(func(tx iam.Tx) error {
			old, err := tx.Get(path)
			before = string(old)
			if damaged == "" {
				return tx.Delete(path)
			}
			_ = err // there may be none
			return tx.Put(path, []byte(damaged))
		})
		fresh := iam.New(iam.Config{Account: account, DB: f.db, Sealer: sealer{}, Clock: func() time.Time { return f.now }}) // that has nothing compiled
		for _, s := range []*iam.Service{f.Service, fresh} {
			if s == f.Service && damaged == "" {
				continue // it still knows the version, which is as good
			}
			g, err := s.PoliciesOf(t.Context(), asUser(u))
			if refusal := (*iam.Error)(nil); err == nil || errors.As(err, &refusal) {
				t.Errorf("%s damaged: %v, %v", path, g, err)
			}
		}
		fresh.Close()
		f.do(func(tx iam.Tx) error {
			if before == "" {
				return tx.Delete(path)
			}
			return tx.Put(path, []byte(before))
		})
	}
	if got := f.gathered(asUser(u)); got != "bob:q bob:p" {
		t.Error(got)
	}
}

// BenchmarkPoliciesOf is what a request pays for the policies of its caller.
func BenchmarkPoliciesOf(b *testing.B) {
	f := start(b)
	u := f.user("bob")
	p := asUser(u)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.PoliciesOf(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}
