package wire_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/server/wire"
)

func TestForm(t *testing.T) {
	f, err := wire.ParseForm([]byte("Action=CreateUser&Version=2010-05-08&UserName=a%2Bb+c&&" +
		"Tags.member.2.Key=k2&Tags.member.2.Value=&Tags.member.1.Key=k1&Tags.member.1.Other=x&Unknown.member.7=y"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Action() != "CreateUser" || f.Version() != "2010-05-08" {
		t.Errorf("action %q, version %q", f.Action(), f.Version())
	}
	var in iamapi.CreateUserRequest
	if err := f.Decode(&in); err != nil {
		t.Fatal(err)
	}
	want := iamapi.CreateUserRequest{
		UserName: new("a+b c"),
		Tags:     []iamapi.Tag{{Key: new("k1")}, {Key: new("k2"), Value: new("")}},
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
}

func TestFormManyElements(t *testing.T) {
	var b strings.Builder
	for i := range 120 { // sorted as text, 10 stands before 2
		fmt.Fprintf(&b, "&Tags.member.%d.Key=k%d", i+1, i+1)
	}
	f, err := wire.ParseForm([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	var in iamapi.CreateUserRequest
	if err := f.Decode(&in); err != nil {
		t.Fatal(err)
	}
	for i, tag := range in.Tags {
		if want := fmt.Sprintf("k%d", i+1); *tag.Key != want {
			t.Fatalf("tag %d is %s", i+1, *tag.Key)
		}
	}
	if len(in.Tags) != 120 {
		t.Errorf("%d tags", len(in.Tags))
	}
}

func TestFormEmptyList(t *testing.T) {
	f, err := wire.ParseForm([]byte("Tags="))
	if err != nil {
		t.Fatal(err)
	}
	var in iamapi.CreateUserRequest
	if err := f.Decode(&in); err != nil || in.Tags == nil || len(in.Tags) != 0 {
		t.Errorf("tags %v, %v", in.Tags, err)
	}
}

func TestParseFormRefuses(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"Action=a&Action=b", "duplicate parameter"},
		{"Action=a&A%63tion=b", "duplicate parameter"},
		{"a=%zz", "invalid percent escape"},
		{"a%4=1", "invalid percent escape"},
		{"a=%ff", "parameter is not UTF-8"},
		{"\xff=1", "parameter is not UTF-8"},
		{"=1", "parameter without a name"},
		{strings.Repeat("n", 513) + "=1", "parameter name too long"},
	} {
		_, err := wire.ParseForm([]byte(c.body))
		refused(t, err, c.want)
	}
	var many strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&many, "p%d=&", i)
	}
	_, err := wire.ParseForm([]byte(many.String()))
	refused(t, err, "too many parameters")
}

func TestFormDecodeRefuses(t *testing.T) {
	const gap = "list elements must be numbered from 1 without gaps"
	for _, c := range []struct{ body, want string }{
		{"MaxItems=x", "STRING_VALUE can not be converted to an Integer"},
		{"MaxItems=2147483648", "STRING_VALUE can not be converted to an Integer"},
		{"MaxItems=", "STRING_VALUE can not be converted to an Integer"},
		{"MaxItems.a=1", "Start of structure or map found where not expected."},
		{"ActionNames=x", "Unexpected complex element termination"},
		{"ActionNames.member.0=x", gap},
		{"ActionNames.member.2=x", gap},
		{"ActionNames.member.1=x&ActionNames.member.3=x", gap},
		{"ActionNames.member.01=x", gap},
		{"ActionNames.member.-1=x", gap},
		{"ActionNames.member.999999999=x", gap},
		{"ActionNames.member.99999999999999999999=x", gap},
		{"ActionNames.member=x", gap},
		{"ActionNames.1=x", gap},
		{"ActionNames.member.1.x=x", "Start of structure or map found where not expected."},
	} {
		f, err := wire.ParseForm([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		refused(t, f.Decode(new(iamapi.SimulateCustomPolicyRequest)), c.want)
	}
}

// TestFormLargeNumber: what a number costs depends on the length of the form,
// not on the number.
func TestFormLargeNumber(t *testing.T) {
	f, err := wire.ParseForm([]byte("Tags.member.999999999.Key=x"))
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refused(t, f.Decode(new(iamapi.CreateUserRequest)), "list elements must be numbered from 1 without gaps")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestFormTypes(t *testing.T) {
	f, err := wire.ParseForm([]byte("RequireSymbols=true&MinimumPasswordLength=14&HardExpiry=false"))
	if err != nil {
		t.Fatal(err)
	}
	var in iamapi.UpdateAccountPasswordPolicyRequest
	if err := f.Decode(&in); err != nil {
		t.Fatal(err)
	}
	want := iamapi.UpdateAccountPasswordPolicyRequest{
		RequireSymbols: new(true), MinimumPasswordLength: new(int32(14)), HardExpiry: new(false),
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("- want, + got:\n%s", diff)
	}
	f, err = wire.ParseForm([]byte("RequireSymbols=True"))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, f.Decode(&in), "STRING_VALUE can not be converted to a Boolean")
}

// FuzzForm: no form makes the decoder fail otherwise than with a
// SerializationError, nor more list elements than it has parameters.
func FuzzForm(f *testing.F) {
	f.Add([]byte("Action=CreateUser&Version=2010-05-08&UserName=a&Tags.member.1.Key=k&Tags.member.1.Value=v"))
	f.Add([]byte("ContextEntries.member.1.ContextKeyValues.member.1=x&MaxItems=3&ActionNames="))
	f.Add([]byte("PolicyArns.member.1.arn=x&Tags.member.999999999=1&DurationSeconds=900"))
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := wire.ParseForm(body)
		if err != nil {
			if _, ok := err.(*wire.SerializationError); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		role := new(stsapi.AssumeRoleRequest)
		for _, in := range []any{role, new(iamapi.CreateUserRequest), new(iamapi.SimulateCustomPolicyRequest)} {
			if err := form.Decode(in); err != nil {
				if _, ok := err.(*wire.SerializationError); !ok {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			_ = api.Validate(in)
		}
		if n := strings.Count(string(body), "&") + 1; len(role.Tags) > n {
			t.Fatalf("%d tags of %d parameters", len(role.Tags), n)
		}
	})
}
