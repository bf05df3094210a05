// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title RedeemLine
/// @notice A queue that is served at one stroke, however many stand in it.
///
/// All shares ever requested lie on one line, in order; a request is a stretch of it. Serving moves one mark along the line
/// and notes what was paid for all up to the mark. What a stretch is worth is the difference between what was paid up to its
/// end and up to its beginning, so parts always add up to the whole, to the wei.
library RedeemLine {
    using Arrays for uint256[];
    using Checkpoints for Checkpoints.Trace208;

    /// @notice From (included) to (excluded), in shares on the line. 128 bits hold some billions of times the most that a
    /// vault has.
    struct Stretch {
        uint128 from;
        uint128 to;
    }

    /// @notice What one controller has in the line.
    struct Account {
        /// From `head` on: those not served whole when last settled.
        Stretch[] stretches;
        uint256 head;
        /// Served, and not claimed.
        uint256 shares;
        uint256 assets;
    }

    struct Line {
        /// Length of the line, by second.
        Checkpoints.Trace208 requested;
        /// Each place of the mark, and what was paid for all up to it. Both begin with zero.
        uint256[] marks;
        uint256[] sums;
        mapping(address controller => Account) accounts;
    }

    /// @notice Must be called once, before all else.
    function begin(Line storage line) internal {
        line.marks.push(0);
        line.sums.push(0);
    }

    /// @notice Puts `shares` of `controller` at the end.
    function join(Line storage line, address controller, uint256 shares) internal {
        uint256 from = length(line);
        // slither-disable-next-line unused-return: it is known already.
        line.requested.push(SafeCast.toUint48(block.timestamp), SafeCast.toUint208(from + shares));
        line.accounts[controller].stretches
            .push(Stretch({from: SafeCast.toUint128(from), to: SafeCast.toUint128(from + shares)}));
    }

    /// @notice Pays `assets` for the next `shares`.
    function serve(Line storage line, uint256 shares, uint256 assets) internal {
        uint256 last = line.marks.length - 1;
        line.marks.push(line.marks[last] + shares);
        line.sums.push(line.sums[last] + assets);
    }

    /// @notice Moves what was served of `controller`'s stretches to what it can claim. At most one step a stretch.
    function settle(Line storage line, address controller) internal returns (Account storage account) {
        account = line.accounts[controller];
        uint256 mark = served(line);
        uint256 head = account.head;
        for (; head < account.stretches.length; head++) {
            Stretch storage stretch = account.stretches[head];
            uint256 end = Math.min(stretch.to, mark);
            if (end <= stretch.from) break;
            account.shares += end - stretch.from;
            account.assets += paidUpTo(line, end) - paidUpTo(line, stretch.from);
            if (end < stretch.to) {
                // forge-lint: disable-next-line(unsafe-typecast): less than `to`.
                stretch.from = uint128(end);
                break;
            }
        }
        account.head = head;
    }

    /// @notice `controller`'s shares that wait and that are served, and what the latter are worth.
    function standing(Line storage line, address controller)
        internal
        view
        returns (uint256 waiting, uint256 shares, uint256 assets)
    {
        Account storage account = line.accounts[controller];
        (shares, assets) = (account.shares, account.assets);
        uint256 mark = served(line);
        for (uint256 i = account.head; i < account.stretches.length; i++) {
            Stretch memory stretch = account.stretches[i];
            uint256 end = Math.max(stretch.from, Math.min(stretch.to, mark));
            waiting += stretch.to - end;
            if (end == stretch.from) continue;
            shares += end - stretch.from;
            assets += paidUpTo(line, end) - paidUpTo(line, stretch.from);
        }
    }

    /// @notice Stretches of `controller` that were not served whole when last settled.
    function open(Line storage line, address controller) internal view returns (uint256) {
        Account storage account = line.accounts[controller];
        return account.stretches.length - account.head;
    }

    /// @notice Shares ever requested.
    function length(Line storage line) internal view returns (uint256) {
        return line.requested.latest();
    }

    /// @notice Shares requested up to the second `time`.
    function lengthAt(Line storage line, uint256 time) internal view returns (uint256) {
        return line.requested.upperLookupRecent(SafeCast.toUint48(time));
    }

    /// @notice Shares ever served.
    function served(Line storage line) internal view returns (uint256) {
        return line.marks[line.marks.length - 1];
    }

    /// @notice What was paid for the first `place` shares, which are served. Between two marks the price is one.
    function paidUpTo(Line storage line, uint256 place) internal view returns (uint256) {
        uint256 i = line.marks.lowerBound(place);
        (uint256 end, uint256 sum) = (line.marks[i], line.sums[i]);
        if (end == place) return sum;
        (uint256 start, uint256 before) = (line.marks[i - 1], line.sums[i - 1]);
        return before + Math.mulDiv(sum - before, place - start, end - start);
    }
}
