//! Reed–Solomon codes over GF(2⁸), polynomial x⁸+x⁴+x³+x²+1, from a Vandermonde matrix whose upper part was made the identity.

use std::sync::LazyLock;

const POLYNOMIAL: u16 = 0x11d;

/// All products of two elements.
static PRODUCTS: LazyLock<Box<[[u8; 256]; 256]>> = LazyLock::new(|| {
    let mut products = Box::new([[0; 256]; 256]);
    for (left, row) in (0u16..).zip(products.iter_mut()) {
        for (right, product) in (0u16..).zip(row.iter_mut()) {
            *product = multiply(left, right);
        }
    }
    products
});

fn multiply(mut left: u16, mut right: u16) -> u8 {
    let mut product = 0;
    while right > 0 {
        if right & 1 == 1 {
            product ^= left;
        }
        left <<= 1;
        if left & 0x100 != 0 {
            left ^= POLYNOMIAL;
        }
        right >>= 1;
    }
    product as u8
}

fn product(left: u8, right: u8) -> u8 {
    PRODUCTS[usize::from(left)][usize::from(right)]
}

fn inverse(value: u8) -> Option<u8> {
    PRODUCTS[usize::from(value)].iter().position(|product| *product == 1).map(|found| found as u8)
}

type Matrix = Vec<Vec<u8>>;

/// A code of some data and some parity shards, together at most 256.
#[derive(Debug)]
pub(super) struct ReedSolomon {
    /// One row for each parity shard, one column for each data shard.
    rows: Matrix,
}

impl ReedSolomon {
    pub(super) fn new(data: usize, parity: usize) -> Option<Self> {
        let power = |base: u8, exponent: usize| (0..exponent).fold(1, |value, _| product(value, base));
        let row = |index: usize| (0..data).map(|column| power(index as u8, column)).collect::<Vec<u8>>();
        let top = inverted((0..data).map(row).collect())?;
        let systematic = |row: Vec<u8>| {
            let cell = |column: usize| {
                row.iter().zip(&top).fold(0, |sum, (left, line)| sum ^ product(*left, line[column]))
            };
            (0..data).map(cell).collect()
        };
        Some(Self { rows: (data..data + parity).map(row).map(systematic).collect() })
    }

    /// The parity shards of `data`, one after the other; all shards have `size` bytes.
    pub(super) fn parity(&self, data: &[u8], size: usize) -> Vec<u8> {
        let mut parity = vec![0; self.rows.len() * size];
        for (out, row) in parity.chunks_exact_mut(size).zip(&self.rows) {
            for (shard, coefficient) in data.chunks_exact(size).zip(row) {
                accumulate(out, *coefficient, shard);
            }
        }
        parity
    }

    /// Computes the `missing` shards of `data` from the others and the parity shards that are whole. `false` when too many
    /// are missing.
    pub(super) fn repair(
        &self,
        data: &mut [u8],
        size: usize,
        missing: &[usize],
        parity: &[Option<&[u8]>],
    ) -> bool {
        let usable = self.rows.iter().zip(parity).filter_map(|(row, shard)| Some((row, (*shard)?)));
        let usable: Vec<_> = usable.take(missing.len()).collect();
        let system = usable.iter().map(|(row, _)| missing.iter().map(|at| row[*at]).collect()).collect();
        let Some(solution) = inverted(system).filter(|_| usable.len() == missing.len()) else { return false };
        let known: Vec<Vec<u8>> = usable
            .iter()
            .map(|(row, shard)| {
                let mut sum = shard.to_vec();
                for (at, whole) in data.chunks_exact(size).enumerate().filter(|(at, _)| !missing.contains(at))
                {
                    accumulate(&mut sum, row[at], whole);
                }
                sum
            })
            .collect();
        for (at, coefficients) in missing.iter().zip(&solution) {
            let out = &mut data[at * size..(at + 1) * size];
            out.fill(0);
            for (coefficient, sum) in coefficients.iter().zip(&known) {
                accumulate(out, *coefficient, sum);
            }
        }
        true
    }
}

fn accumulate(out: &mut [u8], coefficient: u8, input: &[u8]) {
    let products = &PRODUCTS[usize::from(coefficient)];
    for (out, input) in out.iter_mut().zip(input) {
        *out ^= products[usize::from(*input)];
    }
}

/// The inverse of a square matrix, by elimination.
fn inverted(mut matrix: Matrix) -> Option<Matrix> {
    let size = matrix.len();
    for (index, row) in matrix.iter_mut().enumerate() {
        row.resize(size * 2, 0);
        row[size + index] = 1;
    }
    for column in 0..size {
        let pivot = (column..size).find(|row| matrix[*row][column] != 0)?;
        matrix.swap(column, pivot);
        let factor = inverse(matrix[column][column])?;
        for cell in &mut matrix[column] {
            *cell = product(*cell, factor);
        }
        let pivot = matrix[column].clone();
        for (_, row) in matrix.iter_mut().enumerate().filter(|(index, _)| *index != column) {
            let factor = row[column];
            accumulate(row, factor, &pivot);
        }
    }
    Some(matrix.into_iter().map(|mut row| row.split_off(size)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_shards_up_to_the_parity_are_repaired() {
        let code = ReedSolomon::new(6, 2).unwrap();
        let whole: Vec<u8> = (0..60u8).map(|byte| byte.wrapping_mul(37)).collect();
        let parity = code.parity(&whole, 10);
        let shards: Vec<Option<&[u8]>> = parity.chunks(10).map(Some).collect();
        for first in 0..6 {
            for second in (first + 1)..6 {
                let mut data = whole.clone();
                data[first * 10..first * 10 + 10].fill(0xaa);
                data[second * 10] ^= 1;
                assert!(code.repair(&mut data, 10, &[first, second], &shards));
                assert_eq!(data, whole);
            }
        }
        assert!(!code.repair(&mut whole.clone(), 10, &[0, 1], &[shards[0], None]));
        assert!(!code.repair(&mut whole.clone(), 10, &[0, 1, 2], &shards));
    }
}
