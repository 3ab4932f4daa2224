package piv

// #cgo darwin LDFLAGS: -framework PCSC
// #cgo linux pkg-config: libpcsclite
// #cgo freebsd CFLAGS: -I/usr/local/include/ -I/usr/local/include/PCSC
// #cgo freebsd LDFLAGS: -L/usr/local/lib/ -lpcsclite
// #cgo openbsd CFLAGS: -I/usr/local/include/ -I/usr/local/include/PCSC
// #cgo openbsd LDFLAGS: -L/usr/local/lib/ -lpcsclite
// #include <stdint.h>
// #include <stdlib.h>
// #include <PCSC/winscard.h>
// #include <PCSC/wintypes.h>
//
// // A response can be a page of data; of this one only the status is wanted.
// static LONG selectPIV(const char *reader, uint16_t *status) {
//     static const BYTE command[] = {0x00, 0xa4, 0x04, 0x00, 0x05, 0xa0, 0x00, 0x00, 0x03, 0x08};
//     BYTE answer[MAX_BUFFER_SIZE_EXTENDED];
//     DWORD protocol, n = sizeof answer;
//     SCARDCONTEXT context;
//     SCARDHANDLE card;
//     LONG rc = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
//     if (rc != SCARD_S_SUCCESS)
//         return rc;
//     rc = SCardConnect(context, reader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T1, &card, &protocol);
//     if (rc == SCARD_S_SUCCESS) {
//         rc = SCardTransmit(card, SCARD_PCI_T1, command, sizeof command, NULL, answer, &n);
//         SCardDisconnect(card, SCARD_LEAVE_CARD);
//     }
//     SCardReleaseContext(context);
//     *status = 0;
//     if (rc == SCARD_S_SUCCESS && n >= 2)
//         *status = answer[n-2] << 8 | answer[n-1];
//     return rc;
// }
import "C"

import "unsafe"

// selects has the card in a reader select its PIV application, and gives it back.
//
// It goes before piv-go's Open, which keeps its exclusive connection when the card
// does not let the application be selected, and returns nothing to close it by: no
// program could use the card any more until this process ends, nor this process.
func selects(reader string) error {
	name := C.CString(reader)
	defer C.free(unsafe.Pointer(name))
	var status C.uint16_t
	if rc := uint32(C.selectPIV(name, &status)); rc != 0 {
		return scard(rc)
	}
	switch {
	case status == 0:
		return ErrRemoved // no status, no card: a reader may say so in this way
	case status == 0x9000, status>>8 == 0x61:
		return nil
	}
	return ErrNoPIV
}
