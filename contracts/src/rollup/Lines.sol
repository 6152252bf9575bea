// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LibBit} from "solady/utils/LibBit.sol";

/// @notice The tree of claims, as far as finality needs it: which of a claim's ancestors fell, and which have rivals that are not
/// decided. A **line** is a path of claims each of which was its parent's first child; every other child begins a line of its
/// own. So a claim is known by its line and its batch, and what is above it by as many lines as were left on the way: nobody
/// walks from claim to claim. A further line costs a bond.
abstract contract Lines {
    /// @dev A path through the tree of claims.
    struct Line {
        /// Batch of its first claim.
        uint40 from;
        /// The line whose claim of the batch before is that one's parent.
        uint24 parent;
        /// The first batch whose claim on it fell; 0: none did.
        uint40 deadFrom;
        /// The first batch of which its claim of the batch before has children that are not decided; 0: none has.
        uint40 undecided;
        /// How many there are of those.
        uint40 undecidedCount;
    }

    /// @dev All lines; the first has genesis. (An array would be asked for its length with each read.)
    mapping(uint256 line => Line) private _lines;
    uint24 private _lastLine;
    /// @dev `line ‖ batch / 256`: a bit for each batch that is undecided on a line.
    mapping(uint256 place => uint256 bits) private _undecided;

    /// @dev Begins a line with a further child of the claim of the batch before `from` on a line.
    function _fork(uint24 parent, uint40 from) internal returns (uint24 line) {
        line = ++_lastLine;
        (_lines[line].from, _lines[line].parent) = (from, parent);
    }

    /// @dev The claim of a batch on a line fell, and all that stands on it.
    function _kill(uint24 line, uint40 batch) internal {
        Line storage l = _lines[line];
        if (l.deadFrom == 0 || batch < l.deadFrom) l.deadFrom = batch;
    }

    /// @dev The claim of the batch before on a line has a second child that stands.
    function _setUndecided(uint24 line, uint40 batch) internal {
        Line storage l = _lines[line];
        if (l.undecidedCount++ == 0 || batch < l.undecided) l.undecided = batch;
        _undecided[_place(line, batch)] |= 1 << batch % 256;
    }

    /// @dev It has one left.
    function _setDecided(uint24 line, uint40 batch) internal {
        Line storage l = _lines[line];
        _undecided[_place(line, batch)] &= ~(1 << uint256(batch % 256));
        if (--l.undecidedCount == 0) {
            l.undecided = 0;
        } else if (l.undecided == batch) {
            uint256 place = _place(line, batch);
            while (_undecided[place] == 0) ++place;
            l.undecided = uint40(uint32(place)) * 256 + uint40(LibBit.ffs(_undecided[place]));
        }
    }

    /// @dev Whether the claim of a batch on a line fell, or one above it; and if not, whether each of these is the only one of
    /// its parent's children that stands.
    function _fate(uint24 line, uint40 batch) internal view returns (bool isDead, bool isDecided) {
        isDecided = true;
        // On a line that was left, the last batch of interest is the one in which it was: the child there is another.
        uint40 last = batch;
        while (true) {
            // In one load; the fields lie as in `Line`.
            Line storage l = _lines[line];
            uint256 word;
            assembly ("memory-safe") {
                word := sload(l.slot)
            }
            (uint40 deadFrom, uint40 undecided) = (uint40(word >> 64), uint40(word >> 104));
            if (deadFrom != 0 && deadFrom <= batch) return (true, false);
            if (undecided != 0 && undecided <= last) isDecided = false;
            if (line == 0) return (false, isDecided);
            last = uint40(word);
            (line, batch) = (uint24(word >> 40), last - 1);
        }
    }

    /// @dev Whether one claim is another or stands on it.
    function _standsOn(uint24 line, uint40 batch, uint24 otherLine, uint40 otherBatch) internal view returns (bool) {
        while (line != otherLine) {
            if (line == 0) return false;
            Line storage l = _lines[line];
            (line, batch) = (l.parent, l.from - 1);
        }
        return batch >= otherBatch;
    }

    function _place(uint24 line, uint40 batch) private pure returns (uint256) {
        return uint256(line) << 32 | batch / 256;
    }
}
