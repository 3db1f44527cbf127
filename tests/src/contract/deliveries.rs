//! What a delivery stream must do.

use bytes::Bytes;
use cloud::{DeliveryStream, Error};

/// What is put arrives, each entry once and unchanged. `arrived` says what did, in any order.
pub async fn what_is_put_arrives(delivery: &dyn DeliveryStream, arrived: impl Fn() -> Vec<Vec<u8>>) {
    delivery.check().await.unwrap();
    // Bytes that are no text: entries may be gzip members.
    let entries = [Bytes::from_static(b"{\"a\":1}\n"), Bytes::from_static(&[0x1f, 0x8b, 0xff, 0x00, 0xc3])];
    assert_eq!(delivery.put(&entries).await, Ok(Vec::new()));
    assert_eq!(delivery.put(&[]).await, Ok(Vec::new()));
    let mut found = arrived();
    found.sort();
    let mut expected = entries.map(|entry| entry.to_vec());
    expected.sort();
    assert_eq!(found, expected);
}

/// What is over a limit is refused whole, and the error names the limit.
pub async fn puts_keep_to_their_limits(delivery: &dyn DeliveryStream) {
    let small = Bytes::from_static(b"x");
    let large = Bytes::from(vec![b'x'; 1000 << 10]);
    let too_large = Bytes::from(vec![b'x'; (1000 << 10) + 1]);
    let cases = [
        (vec![small; 501], "500"),
        (vec![large.clone(), large.clone(), large.clone(), large.clone(), large], "4194304"),
        (vec![too_large], "1024000"),
    ];
    for (entries, limit) in cases {
        let error = delivery.put(&entries).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains(limit), "{error}");
    }
}
