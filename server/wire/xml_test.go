package wire_test

import (
	"encoding/xml"
	"testing"
	"time"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/api/stsapi"
	"github.com/keyd-hsm/keyd/server/wire"
)

// operation finds an operation, or fails the test.
func operation(t *testing.T, s *api.Service, name string) api.Operation {
	t.Helper()
	op, ok := s.Operation(name)
	if !ok {
		t.Fatalf("%s: no such operation", name)
	}
	return op
}

func TestEncodeXML(t *testing.T) {
	for _, c := range []struct {
		op   api.Operation
		out  any
		want string
	}{
		{
			operation(t, stsapi.Service, "GetCallerIdentity"),
			&stsapi.GetCallerIdentityResponse{Account: new("111122223333"), Arn: new("arn:aws:iam::111122223333:root")},
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
				`<Account>111122223333</Account><Arn>arn:aws:iam::111122223333:root</Arn></GetCallerIdentityResult>` +
				`<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
		},
		{
			operation(t, iamapi.Service, "DeleteUser"), nil,
			`<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">` +
				`<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></DeleteUserResponse>`,
		},
		{
			operation(t, iamapi.Service, "ListUsers"),
			&iamapi.ListUsersResponse{IsTruncated: new(false), Users: []iamapi.User{
				{UserName: new("a&<b>"), CreateDate: api.At(time.Unix(1700000000, 0))}, {},
			}},
			`<ListUsersResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListUsersResult><Users><member>` +
				`<UserName>a&amp;&lt;b&gt;</UserName><CreateDate>2023-11-14T22:13:20Z</CreateDate></member><member></member>` +
				`</Users><IsTruncated>false</IsTruncated></ListUsersResult>` +
				`<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ListUsersResponse>`,
		},
		{
			operation(t, iamapi.Service, "GetAccountSummary"),
			&iamapi.GetAccountSummaryResponse{SummaryMap: map[iamapi.SummaryKeyType]int32{"Users": 3, "Groups": 1}},
			`<GetAccountSummaryResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetAccountSummaryResult><SummaryMap>` +
				`<entry><key>Groups</key><value>1</value></entry><entry><key>Users</key><value>3</value></entry></SummaryMap>` +
				`</GetAccountSummaryResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></GetAccountSummaryResponse>`,
		},
	} {
		got, err := wire.EncodeXML(c.op, "r-1", c.out)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", c.op.Name, err, got, c.want)
		}
	}
}

func TestXMLError(t *testing.T) {
	got := string(wire.XMLError(stsapi.Service, "r-1", "AccessDenied", "not <you>", false))
	want := `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>` +
		`<Code>AccessDenied</Code><Message>not &lt;you&gt;</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestXMLText: an XML parser reads the text that was written, but for the
// characters that XML cannot hold.
func TestXMLText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a\r\nb\tc\n", "a\r\nb\tc\n"},
		{`<![CDATA["']]>&amp;`, `<![CDATA["']]>&amp;`},
		{"nul\x00esc\x1bdel\x7f", "nul\uFFFDesc\uFFFDdel\x7f"},
		{"\uFFFE\uFFFF\U0001D11E\xff", "\uFFFD\uFFFD\U0001D11E\uFFFD"},
	} {
		var got struct {
			Message string `xml:"Error>Message"`
		}
		text := wire.XMLError(stsapi.Service, "r", "C", c.text, true)
		if err := xml.Unmarshal(text, &got); err != nil || got.Message != c.want {
			t.Errorf("%q: read %q, %v", c.text, got.Message, err)
		}
	}
}
