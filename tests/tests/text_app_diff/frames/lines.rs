//! Protocols of text lines.

use super::{Made, tcp, udp};

const TEXTS: &[&[u8]] = &[
    b"GET /index.html HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
    b"get / HTTP/1.0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1  404 Not Found\r\nX:\ty\r\n\r\n\x01\x02",
    b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/1.1 20 OK\r\n",
    b"more of a body\r\nand more",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET",
    b"GET ",
    b"GET\t/ HTTP/1.1\r\n",
    b"GET /\rx\r\n",
    b"GET /\r",
    b"GET /\x80\r\n",
    b" GET /\r\n",
    b"\r\n",
    b"POST /form HTTP/1.1\r\nHost: a\r\n\r\na=b",
    b"220 mail.example.com ESMTP\r\n250-first\r\n250 last\r\n",
    b"EHLO client.example\r\n",
    b"USER anonymous\r\n",
    b"OPTIONS rtsp://example.com RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n",
    b"SIP/2.0 100 Trying\r\n\r\n",
    b"PROPFIND /dav HTTP/1.1\r\nDepth: 1\r\n\r\n",
];

pub(crate) fn all() -> Vec<Made> {
    let mut texts: Vec<Vec<u8>> = TEXTS.iter().map(|text| text.to_vec()).collect();
    for len in [126, 127, 128, 129] {
        texts.push([&vec![b'a'; len][..], b" 200 x\r\n"].concat());
    }
    let mut frames = Vec::new();
    for text in texts {
        for port in [21, 25, 43, 80, 554, 8080, 8554] {
            frames.push(tcp(port, 50_000, &text));
        }
        frames.push(tcp(50_000, 3128, &text));
        frames.push(udp(5060, 5060, &text));
    }
    frames
}
