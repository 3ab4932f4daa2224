package api_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/kmsapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/api/trailapi"
)

func TestServices(t *testing.T) {
	for _, c := range []struct {
		s *api.Service
		n int
	}{{kmsapi.Service, 56}, {iamapi.Service, 176}, {stsapi.Service, 11}, {trailapi.Service, 1}} {
		if len(c.s.Operations) != c.n {
			t.Errorf("%s: %d operations, want %d", c.s.ID, len(c.s.Operations), c.n)
		}
		if !slices.IsSortedFunc(c.s.Operations, func(a, b api.Operation) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: operations are not sorted", c.s.ID)
		}
		for _, op := range c.s.Operations {
			found, ok := c.s.Operation(op.Name)
			if !ok || found.Name != op.Name || found.Service != c.s || found.New() == nil {
				t.Errorf("%s.%s: not found by its name", c.s.ID, op.Name)
			}
			for _, e := range op.Errors {
				if e.Code == "" || e.Status < 400 || e.Server != (e.Status >= 500) {
					t.Errorf("%s.%s: error %+v", c.s.ID, op.Name, e)
				}
			}
		}
		if _, ok := c.s.Operation("encrypt"); ok {
			t.Errorf("%s: a name matched without regard to case", c.s.ID)
		}
	}
}

func TestNoAuth(t *testing.T) {
	var names []string
	for _, s := range []*api.Service{kmsapi.Service, iamapi.Service, stsapi.Service, trailapi.Service} {
		for _, op := range s.Operations {
			if op.NoAuth {
				names = append(names, op.Name)
			}
		}
	}
	if want := []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}; !slices.Equal(names, want) {
		t.Errorf("operations without a signature: %v, want %v", names, want)
	}
}

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		e    *api.Exception
		want api.Exception
	}{
		{kmsapi.NotFoundException, api.Exception{Code: "NotFoundException", Status: 400}},
		{kmsapi.KMSInternalException, api.Exception{Code: "KMSInternalException", Status: 500, Server: true}},
		{iamapi.NoSuchEntityException, api.Exception{Code: "NoSuchEntity", Status: 404}},
		{iamapi.ServiceFailureException, api.Exception{Code: "ServiceFailure", Status: 500, Server: true}},
	} {
		if *c.e != c.want {
			t.Errorf("got %+v, want %+v", *c.e, c.want)
		}
	}
}

func TestValue(t *testing.T) {
	if api.Value[string](nil) != "" || api.Value(new("x")) != "x" {
		t.Error("an optional member is misread")
	}
}
